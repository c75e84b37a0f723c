#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/result.h"
#include "inference/activation_operator.h"
#include "inference/attention_operator.h"
#include "inference/backend.h"
#include "inference/group_backend.h"
#include "inference/int8_operator.h"
#include "inference/int8_weights.h"
#include "inference/kept_prefix.h"
#include "inference/session.h"
#include "inference/weights.h"
#include "kernels/splade_head.h"

namespace sparse_rerank {

/// The SPLADE head of a model: the location of its decoder, and its pooling.
struct HeadSpec {
  TensorLocation decoder;              // [vocabulary, hidden]
  std::optional<TensorLocation> bias;  // [vocabulary]
  Pooling pooling = Pooling::kMax;
  SpladeActivation activation = SpladeActivation::kRelu;
};

/// Execution by SequenceBackend.
struct SequenceSpec {
  std::optional<HeadSpec> head;            // reads the graph's output `hidden`; absent: the output is `logits`
  std::vector<Int8LayerSpec> int8_layers;  // indexed by the nodes' attribute `layer`
  std::string int8_cache;                  // folder, or empty for none
  std::optional<PrefixSpec> prefix;        // present if the graph's runs can continue from a prefix
};

struct WeightSpec {
  std::string name;
  TensorLocation location;
  WeightType type = WeightType::kF32;  // in the graph
  bool packed = false;                 // whether ONNX Runtime can replace it by a packed copy
};

struct ModelSpec {
  std::string graph;  // serialized ModelProto
  std::string weight_folder;
  std::vector<std::string> files;
  std::vector<WeightSpec> weights;  // by initializer name
  std::vector<SessionInput> inputs;
  /// Selects the Backend.
  std::variant<SequenceSpec, GroupSpec> backend;
};

/// An external ONNX model, run by SequenceBackend. Without `vectors` it is a classifier whose output is [sequences, labels].
struct ExportSpec {
  std::string file;
  /// The output is logits [sequences, tokens, columns], or already pooled vectors [sequences, columns].
  struct Vectors {
    std::size_t columns = 0;
    Pooling pooling = Pooling::kMax;
    SpladeActivation activation = SpladeActivation::kRelu;
  };
  std::optional<Vectors> vectors;
};

/// A loaded checkpoint: the body in ONNX Runtime and, for SPLADE, the head in our kernels. Immutable; any number of threads may use it.
class Model {
 public:
  /// Requires a loaded Runtime. Takes milliseconds to seconds, since ONNX Runtime packs the matrices.
  static Result<std::shared_ptr<const Model>> load(const ModelSpec& spec);

  static Result<std::shared_ptr<const Model>> load(const ExportSpec& spec);

  /// Prepares the runs of a call.
  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const { return parts_.backend->start(std::move(sequences)); }
  /// See Backend::continuing.
  [[nodiscard]] const Session* continuing() const { return parts_.backend->continuing(); }
  /// Null if the head is part of the graph.
  [[nodiscard]] const SpladeHead* head() const { return parts_.head ? &*parts_.head : nullptr; }
  /// Null unless an external ONNX model outputs vectors.
  [[nodiscard]] const ExportSpec::Vectors* exported_vectors() const { return parts_.exported ? &*parts_.exported : nullptr; }
  /// See GroupSpec::activation.
  [[nodiscard]] std::optional<SpladeActivation> row_activation() const { return parts_.row_activation; }
  /// Whether the model pools logits over tokens here, so that each weight has a token.
  [[nodiscard]] bool knows_positions() const { return parts_.head.has_value() || parts_.exported.has_value(); }
  /// Called before every run. Errors: ERR_INVALID_WEIGHTS (a weight file was overwritten after it was opened).
  [[nodiscard]] Status check_unchanged() const { return parts_.weights.check_unchanged(); }
  /// Bytes of anonymous memory that this model holds, apart from ONNX Runtime's allocations.
  [[nodiscard]] std::size_t owned_bytes() const {
    return parts_.weights.copied_bytes() + (parts_.int8 ? parts_.int8->weights.owned_bytes() : 0) +
           (parts_.head ? parts_.head->packed_bytes() : 0);
  }

 private:
  /// Must not move: sessions refer to it.
  struct Int8Body {
    Int8Body(const Runtime& runtime, Int8Weights loaded) : weights(std::move(loaded)), custom_op(runtime, weights.layers()) {}
    Int8Weights weights;
    Int8Operator custom_op;
  };

  /// Those of every graph on the CPU. Must not move either.
  struct Operators {
    explicit Operators(const Runtime& runtime)
        : attention(runtime, kernels()),
          gelu(runtime, kernels(), ActivationOperator::Function::kGelu),
          swish(runtime, kernels(), ActivationOperator::Function::kSwish) {}
    AttentionOperator attention;
    ActivationOperator gelu;
    ActivationOperator swish;
  };

  struct Parts {
    // Declared first, since the backend and the head read the weights (members are destroyed in reverse order).
    Weights weights;
    std::unique_ptr<const Operators> operators;
    std::unique_ptr<const Int8Body> int8;
    std::optional<SpladeHead> head;
    std::optional<SpladeActivation> row_activation;
    std::optional<ExportSpec::Vectors> exported;
    std::unique_ptr<const Backend> backend;
  };

  explicit Model(Parts parts) : parts_(std::move(parts)) {}

  /// One overload per backend. @param session without the fields that depend on the backend
  static Result<Parts> load_parts(const Runtime& runtime, const SequenceSpec& spec, SessionSpec session, Weights weights);
  static Result<Parts> load_parts(const Runtime& runtime, const GroupSpec& spec, SessionSpec session, Weights weights);

  /// Frees converted tensors that the session has packed: it would otherwise hold their memory twice.
  static void release_packed(const ModelSpec& spec, Parts& parts);

  Parts parts_;
};

}  // namespace sparse_rerank
