#include "inference/model.h"

namespace sparse_rerank {

namespace {

Result<SpladeHead> load_head(const HeadSpec& spec, Weights& weights) {
  const std::vector<std::int64_t>& shape = spec.decoder.shape;
  if (shape.size() != 2) return Error{"ERR_TENSOR_MISMATCH", "The decoder is not a matrix."};
  auto decoder = weights.tensor(spec.decoder);
  if (!decoder) return std::move(decoder).error();
  std::span<const float> bias;
  if (spec.bias) {
    auto found = weights.tensor(*spec.bias);
    if (!found) return std::move(found).error();
    bias = found.value();
  }
  return SpladeHead::create(decoder.value(), bias, static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]), spec.pooling,
                            spec.activation);
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::load(const ModelSpec& spec) {
  const Runtime* runtime = Runtime::loaded();
  if (runtime == nullptr) return Error{"ERR_INTERNAL", "A model was loaded before ONNX Runtime."};
  auto opened = Weights::open(spec.files);
  if (!opened) return std::move(opened).error();
  Weights weights = std::move(opened).value();

  std::vector<NamedWeight> initialisers;
  initialisers.reserve(spec.weights.size());
  for (const auto& [name, location, half] : spec.weights) {
    if (half) {
      auto data = weights.halves(location);
      if (!data) return std::move(data).error();
      initialisers.push_back({name, std::as_bytes(data.value()), ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, location.shape});
    } else {
      auto data = weights.tensor(location);
      if (!data) return std::move(data).error();
      initialisers.push_back({name, std::as_bytes(data.value()), ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, location.shape});
    }
  }
  std::unique_ptr<const Int8Body> int8;
  if (!spec.int8_layers.empty()) {
    auto quantised = Int8Weights::load(spec.int8_layers, weights, spec.int8_cache);
    if (!quantised) return std::move(quantised).error();
    int8 = std::make_unique<const Int8Body>(*runtime, std::move(quantised).value());
  }
  std::vector<SessionInput> inputs = {SessionInput::kIds};
  if (spec.padded) inputs.push_back(SessionInput::kMask);
  if (spec.token_types) inputs.push_back(SessionInput::kTokenTypes);
  auto session = Session::create(*runtime, {
                                               .graph = std::as_bytes(std::span(spec.graph)),
                                               .weight_folder = spec.weight_folder,
                                               .weights = initialisers,
                                               .int8 = int8 ? &int8->custom_op : nullptr,
                                               .inputs = std::move(inputs),
                                               .output_name = spec.head ? "hidden" : "logits",
                                               .padded = spec.padded.has_value(),
                                               .cuda = spec.cuda ? &*spec.cuda : nullptr,
                                           });
  if (!session) return std::move(session).error();
  // The session has copies, and a head of ours does not follow a padded graph.
  if (spec.padded) weights = Weights();

  std::optional<SpladeHead> head;
  if (spec.head) {
    auto loaded = load_head(*spec.head, weights);
    if (!loaded) return std::move(loaded).error();
    head.emplace(std::move(loaded).value());
  }
  weights.release_pages();
  auto padded = spec.padded ? std::make_unique<const Padded>(*spec.padded) : nullptr;
  return std::shared_ptr<const Model>(
      new Model(std::move(weights), std::move(int8), std::move(head), std::move(padded), std::move(session).value()));
}

Result<std::shared_ptr<const Model>> Model::load(const ExportSpec& spec) {
  const Runtime* runtime = Runtime::loaded();
  if (runtime == nullptr) return Error{"ERR_INTERNAL", "A model was loaded before ONNX Runtime."};
  // The names that Optimum and sentence-transformers give to the outputs of their exports.
  const std::vector<std::string> outputs = spec.vectors ? std::vector<std::string>{"logits", "token_logits", "sentence_embedding"}
                                                        : std::vector<std::string>{"logits", "scores"};
  auto session = Session::open(*runtime, spec.file, outputs);
  if (!session) return std::move(session).error();
  return std::shared_ptr<const Model>(new Model(spec.vectors, std::move(session).value()));
}

}  // namespace sparse_rerank
