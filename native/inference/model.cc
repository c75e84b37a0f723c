#include "inference/model.h"

#include <algorithm>

#include "kernels/finite.h"

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
  // An entry's bias may be -infinity, which keeps it out of every vector.
  if (!all_finite(decoder.value()) || !all_below_infinity(bias)) {
    return Error{"ERR_INVALID_WEIGHTS", "The weights of the SPLADE head have NaN or infinity. Download the model again."};
  }
  return SpladeHead::create(decoder.value(), bias, static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]), spec.pooling,
                            spec.activation);
}

/// One run on the card: libraries are loaded when a kernel first wants them, and what is missing is to be known before there is work.
Status try_out(const Runtime& runtime, const Model& model) {
  // More than one row of a group, so that no operator is left out.
  const std::size_t limit = model.batches()->form.max_length;
  const auto length = static_cast<std::uint32_t>(limit == 0 ? kRowGroups + 1 : std::min(kRowGroups + 1, limit));
  const Sequences sequences{std::vector<std::int32_t>(length, 0), {0, length}, {}, {}};
  const BatchMember member{0, length, 0};
  const auto control = RunControl::create(runtime);
  if (!control) return control.error();
  BatchInputs inputs;
  const auto views = inputs.fill(model.batches()->form, model.session().inputs(), sequences, {&member, 1});
  const auto output = model.session().run(views, control.value());
  if (output) return std::nullopt;
  const Error& failure = output.error();
  // The provider of ONNX Runtime 1.31 and later looks for it only now.
  if (failure.message.find("cuDNN is unavailable") != std::string::npos) return Error{"ERR_DEVICE_UNAVAILABLE", failure.message};
  return failure;
}

/// Errors of loading that are for want of memory say what can be done.
Error for_want_of_memory(Error failure) {
  if (!is_out_of_memory(failure.message)) return failure;
  return {"ERR_TOO_LARGE", "The device has no memory for the model: " + failure.message +
                               ". Free some (models that are no longer used want dispose()), or take a smaller dtype."};
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
  for (const auto& [name, location, type] : spec.weights) {
    if (type == WeightType::kF32) {
      auto data = weights.tensor(location);
      if (!data) return std::move(data).error();
      initialisers.push_back({name, std::as_bytes(data.value()), {ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, location.shape}});
    } else {
      auto data = weights.narrowed(location, type);
      if (!data) return std::move(data).error();
      const auto element =
          type == WeightType::kF16 ? ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 : ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
      initialisers.push_back({name, std::as_bytes(data.value()), {element, location.shape}});
    }
  }
  std::unique_ptr<const Int8Body> int8;
  if (!spec.int8_layers.empty()) {
    auto quantised = Int8Weights::load(spec.int8_layers, weights, spec.int8_cache);
    if (!quantised) return std::move(quantised).error();
    int8 = std::make_unique<const Int8Body>(*runtime, std::move(quantised).value());
  }
  auto session = Session::create(*runtime, {
                                               .graph = std::as_bytes(std::span(spec.graph)),
                                               .weight_folder = spec.weight_folder,
                                               .weights = initialisers,
                                               .int8 = int8 ? &int8->custom_op : nullptr,
                                               .inputs = spec.inputs,
                                               .output_name = spec.head ? "hidden" : "logits",
                                               .batches = spec.batches.has_value(),
                                               .cuda = spec.cuda ? &*spec.cuda : nullptr,
                                           });
  if (!session && session.error().message.find("cannot use the graph capture feature") != std::string::npos) {
    return Error{"ERR_NOT_SUPPORTED",
                 "This architecture cannot run as CUDA graphs, since it asks the CPU in mid-run. Load it without cuda.graphs."};
  }
  if (!session) return spec.cuda ? for_want_of_memory(std::move(session).error()) : std::move(session).error();
  // The session has copies, and no head of ours follows.
  if (spec.batches) weights = Weights();

  std::optional<SpladeHead> head;
  if (spec.head) {
    auto loaded = load_head(*spec.head, weights);
    if (!loaded) return std::move(loaded).error();
    head.emplace(std::move(loaded).value());
  }
  weights.release_pages();
  auto batches = spec.batches ? std::make_unique<const Batches>(*spec.batches, spec.cuda ? &*spec.cuda : nullptr) : nullptr;
  std::shared_ptr<const Model> model(
      new Model(std::move(weights), std::move(int8), std::move(head), std::move(batches), std::move(session).value()));
  if (spec.cuda) {
    if (auto failure = try_out(*runtime, *model)) return for_want_of_memory(std::move(*failure));
  }
  return model;
}

Model::Batches::Batches(const BatchSpec& spec, const CudaSpec* cuda)
    : budget(spec.bytes),
      form(spec.form),
      activation(spec.activation),
      device(cuda != nullptr ? "gpu:" + std::to_string(cuda->device) : ""),
      memory(cuda != nullptr ? std::make_unique<DeviceMemoryUser>(DeviceMemory::of(cuda->device)) : nullptr) {}

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
