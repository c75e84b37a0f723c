#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/result.h"
#include "inference/backend.h"
#include "inference/group_backend.h"
#include "inference/int8_operator.h"
#include "inference/int8_weights.h"
#include "inference/session.h"
#include "inference/weights.h"
#include "kernels/splade_head.h"

namespace sparse_rerank {

/// The SPLADE head of a model: where its decoder lies and how tokens are pooled.
struct HeadSpec {
  TensorLocation decoder;              // [vocabulary, hidden]
  std::optional<TensorLocation> bias;  // [vocabulary]
  Pooling pooling = Pooling::kMax;
  SpladeActivation activation = SpladeActivation::kRelu;
};

/// Execution by SequenceBackend.
struct SequenceSpec {
  std::optional<HeadSpec> head;            // over the graph's output `hidden`; absent: the output is `logits`
  std::vector<Int8LayerSpec> int8_layers;  // by the attribute of their nodes
  std::string int8_cache;                  // folder, or empty for none
};

struct WeightSpec {
  std::string name;
  TensorLocation location;
  WeightType type = WeightType::kF32;  // in the graph
};

struct ModelSpec {
  std::string graph;  // serialised ModelProto
  std::string weight_folder;
  std::vector<std::string> files;
  std::vector<WeightSpec> weights;  // by initialiser name
  std::vector<SessionInput> inputs;
  /// Each style of execution has a specification, and a Backend that it chooses.
  std::variant<SequenceSpec, GroupSpec> backend;
};

/// An external ONNX model: a file with its graph. SequenceBackend runs it. Without a pooling it is a classifier with an output [sequences,
/// labels].
struct ExportSpec {
  std::string file;
  /// Of the output: logits [sequences, tokens, columns], or vectors [sequences, columns] that need no pooling any more.
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
  /// Needs a loaded Runtime. Takes from milliseconds to seconds: ONNX Runtime packs the matrices.
  static Result<std::shared_ptr<const Model>> load(const ModelSpec& spec);

  static Result<std::shared_ptr<const Model>> load(const ExportSpec& spec);

  /// The runs of a call.
  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const { return parts_.backend->start(std::move(sequences)); }
  /// Null where the graph has the head.
  [[nodiscard]] const SpladeHead* head() const { return parts_.head ? &*parts_.head : nullptr; }
  /// Null for our own graphs and for a cross-encoder.
  [[nodiscard]] const ExportSpec::Vectors* exported_vectors() const { return parts_.exported ? &*parts_.exported : nullptr; }
  /// Still to be applied to the rows of groups (GroupSpec).
  [[nodiscard]] std::optional<SpladeActivation> row_activation() const { return parts_.row_activation; }
  /// Whether it pools logits over tokens, so that each weight of a vector has a token.
  [[nodiscard]] bool knows_positions() const { return parts_.head.has_value() || parts_.exported.has_value(); }
  /// For the beginning of every run: refuses weight files that were written over since they were opened. Errors: ERR_INVALID_WEIGHTS.
  [[nodiscard]] Status check_unchanged() const { return parts_.weights.check_unchanged(); }
  /// Bytes of anonymous memory that this model is known to hold beside what ONNX Runtime allocates.
  [[nodiscard]] std::size_t owned_bytes() const {
    return parts_.weights.copied_bytes() + (parts_.int8 ? parts_.int8->weights.owned_bytes() : 0) +
           (parts_.head ? parts_.head->packed_bytes() : 0);
  }

 private:
  /// Stays at its address: sessions keep it.
  struct Int8Body {
    Int8Body(const Runtime& runtime, Int8Weights loaded) : weights(std::move(loaded)), custom_op(runtime, weights.layers()) {}
    Int8Weights weights;
    Int8Operator custom_op;
  };

  struct Parts {
    // The backend and the head read the weights, so they go first (members are destroyed in reverse order).
    Weights weights;
    std::unique_ptr<const Int8Body> int8;
    std::optional<SpladeHead> head;
    std::optional<SpladeActivation> row_activation;
    std::optional<ExportSpec::Vectors> exported;
    std::unique_ptr<const Backend> backend;
  };

  explicit Model(Parts parts) : parts_(std::move(parts)) {}

  /// One for each style of execution. @param session without what depends on it
  static Result<Parts> load_parts(const Runtime& runtime, const SequenceSpec& spec, SessionSpec session, Weights weights);
  static Result<Parts> load_parts(const Runtime& runtime, const GroupSpec& spec, SessionSpec session, Weights weights);

  Parts parts_;
};

}  // namespace sparse_rerank
