#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "inference/batch_groups.h"
#include "inference/cuda/device_memory.h"
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

/// A graph over batches of sequences of different length, whose rows come out of it one for each sequence.
struct BatchSpec {
  BatchForm form;
  /// Memory that a batch may take, by the estimates that come with the sequences.
  std::size_t bytes = 0;
  /// The rows are maxima of logits that still want it; absent where they are the result.
  std::optional<SpladeActivation> activation;
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
  std::vector<WeightSpec> weights;         // by initialiser name
  std::vector<Int8LayerSpec> int8_layers;  // by the attribute of their nodes
  std::string int8_cache;                  // folder, or empty for none
  std::vector<SessionInput> inputs;
  std::optional<HeadSpec> head;
  std::optional<BatchSpec> batches;
  std::optional<CudaSpec> cuda;  // absent for the CPU
};

/// Someone else's graph, from a file. Without a pooling it is a classifier with an output [sequences, labels].
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

  [[nodiscard]] const Session& session() const { return session_; }
  /// Null where the graph has the head.
  [[nodiscard]] const SpladeHead* head() const { return head_ ? &*head_ : nullptr; }
  /// Null for our own graphs and for a cross-encoder.
  [[nodiscard]] const ExportSpec::Vectors* exported_vectors() const { return exported_ ? &*exported_ : nullptr; }
  /// Null where sequences run one by one.
  struct Batches {
    /// @param cuda null for the CPU
    Batches(const BatchSpec& spec, const CudaSpec* cuda);
    mutable BatchBudget budget;
    BatchForm form;
    std::optional<SpladeActivation> activation;
    /// The card that it runs on, as RunControl names it, and its memory; empty and null for the CPU.
    std::string device;
    std::unique_ptr<DeviceMemoryUser> memory;
  };
  [[nodiscard]] const Batches* batches() const { return batches_.get(); }
  /// Whether it pools logits over tokens, so that each weight of a vector has a token.
  [[nodiscard]] bool knows_positions() const { return head_.has_value() || exported_.has_value(); }
  /// For the beginning of every run: refuses weight files that were written over since they were opened. Errors: ERR_INVALID_WEIGHTS.
  [[nodiscard]] Status check_unchanged() const { return weights_.check_unchanged(); }
  /// Bytes of anonymous memory that this model is known to hold beside what ONNX Runtime allocates.
  [[nodiscard]] std::size_t owned_bytes() const {
    return weights_.copied_bytes() + (int8_ ? int8_->weights.owned_bytes() : 0) + (head_ ? head_->packed_bytes() : 0);
  }

 private:
  /// Stays at its address: sessions keep it.
  struct Int8Body {
    Int8Body(const Runtime& runtime, Int8Weights loaded) : weights(std::move(loaded)), custom_op(runtime, weights.layers()) {}
    Int8Weights weights;
    Int8Operator custom_op;
  };

  Model(Weights weights, std::unique_ptr<const Int8Body> int8, std::optional<SpladeHead> head, std::unique_ptr<const Batches> batches,
        Session session)
      : weights_(std::move(weights)),
        int8_(std::move(int8)),
        head_(std::move(head)),
        batches_(std::move(batches)),
        session_(std::move(session)) {}
  Model(std::optional<ExportSpec::Vectors> exported, Session session) : exported_(exported), session_(std::move(session)) {}

  // The session and the head read the weights, so they go first (members are destroyed in reverse order).
  Weights weights_;
  std::unique_ptr<const Int8Body> int8_;
  std::optional<SpladeHead> head_;
  std::unique_ptr<const Batches> batches_;
  std::optional<ExportSpec::Vectors> exported_;
  Session session_;
};

}  // namespace sparse_rerank
