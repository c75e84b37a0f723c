#include "inference/model.h"

#include <cstring>
#include <utility>

#include "core/pages.h"
#include "inference/sequence_backend.h"
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
    return Error{"ERR_INVALID_WEIGHTS", "The weights of the SPLADE head contain NaN or infinity. Download the model again."};
  }
  return SpladeHead::create(decoder.value(), bias, static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1]), spec.pooling,
                            spec.activation);
}

Result<std::vector<NamedWeight>> load_initialisers(std::span<const WeightSpec> specs, Weights& weights) {
  std::vector<NamedWeight> initialisers;
  initialisers.reserve(specs.size());
  for (const auto& [name, location, type, packed] : specs) {
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
  return initialisers;
}

/// Keeps the outputs of runs.
class OutputCopy final : public OutputSink {
 public:
  Status take_sequence(OutputTensor& output, std::uint32_t, std::size_t) override {
    const std::span<const float> values = output.floats();
    copy_.insert(copy_.end(), values.begin(), values.end());
    return std::nullopt;
  }
  Status take_rows(OutputTensor&, SequenceGroup) override { return Error{"ERR_INTERNAL", "A run of a group."}; }

  /// Whether the outputs are equal bit for bit.
  [[nodiscard]] bool equals(const OutputCopy& other) const {
    return copy_.size() == other.copy_.size() && std::memcmp(copy_.data(), other.copy_.data(), copy_.size() * sizeof(float)) == 0;
  }

 private:
  std::vector<float> copy_;
};

/// Runs a few tokens.
Status try_out(const Backend& backend, OutputSink& sink) {
  Sequences tokens;
  tokens.ids = {0, 0, 0};
  tokens.offsets = {0, 3};
  const auto runner = backend.start(std::move(tokens));
  return runner ? runner.value()->run(0, sink) : runner.error();
}

/// Adds a remedy to a load error that means that the device is out of memory.
Error with_memory_remedy(Error failure) {
  if (!is_out_of_memory(failure.message)) return failure;
  return {"ERR_TOO_LARGE", "The device has no memory for the model: " + failure.message +
                               ". Dispose of models that are no longer used, or choose a smaller dtype."};
}

}  // namespace

Result<Model::Parts> Model::load_parts(const Runtime& runtime, const SequenceSpec& spec, SessionSpec session, Weights weights) {
  Parts parts;
  parts.operators = std::make_unique<const Operators>(runtime);
  session.operators = {&parts.operators->attention, &parts.operators->gelu, &parts.operators->swish};
  if (!spec.int8_layers.empty()) {
    auto quantised = Int8Weights::load(spec.int8_layers, weights, spec.int8_cache);
    if (!quantised) return std::move(quantised).error();
    parts.int8 = std::make_unique<const Int8Body>(runtime, std::move(quantised).value());
    session.operators.push_back(&parts.int8->custom_op);
  }
  if (spec.head) session.output_name = "hidden";
  session.prefix = spec.prefix;
  auto created = Session::create(runtime, std::move(session));
  if (!created) return std::move(created).error();
  parts.backend = std::make_unique<const SequenceBackend>(runtime, std::move(created).value());
  if (spec.head) {
    auto head = load_head(*spec.head, weights);
    if (!head) return std::move(head).error();
    parts.head.emplace(std::move(head).value());
  }
  weights.release_pages();
  parts.weights = std::move(weights);
  return parts;
}

Result<Model::Parts> Model::load_parts(const Runtime& runtime, const GroupSpec& spec, SessionSpec session, Weights weights) {
  session.copies_weights = true;
  // The level above changes layouts for the CPU only, and crashes for DeBERTa in fp16 (ONNX Runtime 1.24 to 1.32).
  session.optimization = ort::ORT_ENABLE_EXTENDED;
  session.cuda = spec.cuda ? &*spec.cuda : nullptr;
  auto created = Session::create(runtime, std::move(session));
  if (!created && created.error().message.find("cannot use the graph capture feature") != std::string::npos) {
    return Error{
        "ERR_NOT_SUPPORTED",
        "This architecture cannot run as CUDA graphs, because it synchronizes with the CPU during a run. Load it without cuda.graphs."};
  }
  if (!created) return spec.cuda ? with_memory_remedy(std::move(created).error()) : std::move(created).error();
  // The session has its own copies.
  weights = Weights();
  auto backend = std::make_unique<const GroupBackend>(runtime, std::move(created).value(), spec);
  if (spec.cuda) {
    if (auto failure = backend->try_out()) return with_memory_remedy(std::move(*failure));
  }
  Parts parts;
  parts.row_activation = spec.activation;
  parts.backend = std::move(backend);
  return parts;
}

void Model::release_packed(const ModelSpec& spec, Parts& parts) {
  if (!kDiscardsPages || parts.weights.copied_bytes() == 0) return;
  const auto* const sequences = std::get_if<SequenceSpec>(&spec.backend);
  const auto is_head = [&](const TensorLocation& location) {
    return sequences != nullptr && sequences->head && sequences->head->decoder.file == location.file &&
           sequences->head->decoder.offset == location.offset;
  };
  // Which matrices are packed, the runtime does not tell, and another version of it may decide otherwise: the model must compute the same
  // without them.
  OutputCopy before;
  if (try_out(*parts.backend, before)) return;
  for (const WeightSpec& weight : spec.weights) {
    if (weight.packed && weight.type == WeightType::kF32 && !is_head(weight.location)) parts.weights.discard(weight.location);
  }
  OutputCopy after;
  if (try_out(*parts.backend, after) || !after.equals(before)) parts.weights.restore();
}

Result<std::shared_ptr<const Model>> Model::load(const ModelSpec& spec) {
  const Runtime* runtime = Runtime::loaded();
  if (runtime == nullptr) return Error{"ERR_INTERNAL", "A model was loaded before ONNX Runtime."};
  auto opened = Weights::open(spec.files);
  if (!opened) return std::move(opened).error();
  Weights weights = std::move(opened).value();
  const auto initialisers = load_initialisers(spec.weights, weights);
  if (!initialisers) return initialisers.error();
  SessionSpec session{
      .graph = std::as_bytes(std::span(spec.graph)),
      .weight_folder = spec.weight_folder,
      .weights = initialisers.value(),
      .operators = {},
      .inputs = spec.inputs,
  };
  auto parts =
      std::visit([&](const auto& backend) { return load_parts(*runtime, backend, std::move(session), std::move(weights)); }, spec.backend);
  if (!parts) return std::move(parts).error();
  release_packed(spec, parts.value());
  return std::shared_ptr<const Model>(new Model(std::move(parts).value()));
}

Result<std::shared_ptr<const Model>> Model::load(const ExportSpec& spec) {
  const Runtime* runtime = Runtime::loaded();
  if (runtime == nullptr) return Error{"ERR_INTERNAL", "A model was loaded before ONNX Runtime."};
  // The output names of exports by Optimum and sentence-transformers.
  const std::vector<std::string> outputs = spec.vectors ? std::vector<std::string>{"logits", "token_logits", "sentence_embedding"}
                                                        : std::vector<std::string>{"logits", "scores"};
  auto session = Session::open(*runtime, spec.file, outputs);
  if (!session) return std::move(session).error();
  Parts parts;
  parts.exported = spec.vectors;
  parts.backend = std::make_unique<const SequenceBackend>(*runtime, std::move(session).value());
  return std::shared_ptr<const Model>(new Model(std::move(parts)));
}

}  // namespace sparse_rerank
