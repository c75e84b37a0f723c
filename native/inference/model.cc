#include "inference/model.h"

namespace sparse_rerank {

Result<std::shared_ptr<const Model>> Model::load(const ModelSpec& spec) {
  const Runtime* runtime = Runtime::loaded();
  if (runtime == nullptr) return Error{"ERR_INTERNAL", "A model was loaded before ONNX Runtime."};
  auto weights = Weights::open(spec.files);
  if (!weights) return std::move(weights).error();
  std::shared_ptr<Model> model(new Model(std::move(weights).value()));

  std::vector<NamedWeight> initialisers;
  initialisers.reserve(spec.weights.size());
  for (const auto& [name, location] : spec.weights) {
    auto data = model->weights_.tensor(location);
    if (!data) return std::move(data).error();
    initialisers.push_back({name, data.value(), location.shape});
  }
  auto session = Session::create(*runtime, std::as_bytes(std::span(spec.graph)), spec.weight_folder, initialisers, spec.token_types,
                                 spec.head ? "hidden" : "logits");
  if (!session) return std::move(session).error();
  model->session_.emplace(std::move(session).value());

  if (spec.head) {
    const std::vector<std::int64_t>& shape = spec.head->decoder.shape;
    if (shape.size() != 2) return Error{"ERR_TENSOR_MISMATCH", "The decoder is not a matrix."};
    auto decoder = model->weights_.tensor(spec.head->decoder);
    if (!decoder) return std::move(decoder).error();
    std::span<const float> bias;
    if (spec.head->bias) {
      auto found = model->weights_.tensor(*spec.head->bias);
      if (!found) return std::move(found).error();
      bias = found.value();
    }
    auto head = SpladeHead::create(decoder.value(), bias, static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]),
                                   spec.head->pooling, spec.head->activation);
    if (!head) return std::move(head).error();
    model->head_.emplace(std::move(head).value());
  }
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace sparse_rerank
