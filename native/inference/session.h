#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "inference/cuda/captured_runs.h"
#include "inference/cuda/cuda_provider.h"
#include "inference/group_inputs.h"
#include "inference/int8_operator.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace sparse_rerank {

/// What a run gave, in memory of ONNX Runtime: floats, or fp16 until it is widened.
class OutputTensor {
 public:
  OutputTensor(Tensor value, std::span<const float> data, std::vector<std::int64_t> shape)
      : value_(std::move(value)), floats_(data), shape_(std::move(shape)) {}
  OutputTensor(Tensor value, std::span<const std::uint16_t> halves, std::vector<std::int64_t> shape)
      : value_(std::move(value)), halves_(halves), shape_(std::move(shape)) {}

  /// Widens what is fp16.
  std::span<const float> floats();
  /// Empty where it is not fp16.
  [[nodiscard]] std::span<const std::uint16_t> halves() const { return halves_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }

 private:
  Tensor value_;
  AlignedBuffer<float> widened_;
  std::span<const float> floats_;
  std::span<const std::uint16_t> halves_;
  std::vector<std::int64_t> shape_;
};

/// Lets any thread stop the runs that it was given to.
class RunControl {
 public:
  /// @param giving_back the device ("cpu:0", "gpu:0") whose memory ONNX Runtime returns after each run instead of keeping it for the next
  ///   one; empty for none
  static Result<RunControl> create(const Runtime& runtime, const std::string& giving_back = {});

  /// Any thread. Runs in progress end with an error at their next operator; later ones fail at once.
  void terminate() const;
  [[nodiscard]] const ort::OrtRunOptions* options() const { return options_.get(); }

 private:
  RunControl(const Runtime& runtime, ort::OrtRunOptions* options);
  const Runtime* runtime_;
  OrtPointer<ort::OrtRunOptions> options_;
};

/// One initialiser of a graph.
struct NamedWeight {
  std::string name;
  std::span<const std::byte> data;
  TensorType type;
};

/// A graph of ours and where it runs.
struct SessionSpec {
  /// A serialised ModelProto whose weights are external data.
  std::span<const std::byte> graph;
  /// The folder that the graph's external data locations are relative to; ONNX Runtime checks that they exist, and takes the memory given
  /// here instead of reading them.
  const std::string& weight_folder;
  std::span<const NamedWeight> weights;
  /// The operator of the graph's linear layers in 8 bits, or null; must outlive the session.
  const Int8Operator* int8 = nullptr;
  std::vector<SessionInput> inputs;
  std::string output_name = "logits";
  /// The session copies the weights, as it must for any device but the CPU. Else it uses them where they lie, and they must outlive it.
  bool copies_weights = false;
  ort::GraphOptimizationLevel optimization = ort::ORT_ENABLE_ALL;
  /// Null for the CPU.
  const CudaSpec* cuda = nullptr;
};

/// A graph ready to run. On the CPU there is one thread for each run: the pool runs several at once (docs/architecture.md). run() is
/// thread-safe.
class Session {
 public:
  /// Errors: ERR_RUNTIME_FAILED, and those of make_cuda_options.
  static Result<Session> create(const Runtime& runtime, SessionSpec spec);

  /// A graph of someone else, from a file that holds its weights or names the files beside it that do.
  /// @param output_names the output is the first of these that the graph has, or its only one
  /// Errors: ERR_UNSUPPORTED_MODEL for inputs or outputs that are not known.
  static Result<Session> open(const Runtime& runtime, const std::string& path, std::span<const std::string> output_names);

  /// Whether runs can be captured as CUDA graphs.
  [[nodiscard]] bool captures() const { return captured_ != nullptr; }
  /// What the graph takes.
  [[nodiscard]] std::span<const SessionInput> inputs() const { return inputs_; }

  /// Waits for the result, also of a GPU.
  /// @param inputs all that the graph takes
  /// @param captured as a CUDA graph, which the next run with as long sequences repeats; for sessions that can, and lone sequences
  Result<OutputTensor> run(std::span<const InputView> inputs, const RunControl& control, bool captured = false) const;

 private:
  explicit Session(const Runtime& runtime) : runtime_(&runtime) {}

  /// What lets runs on a GPU copy without waiting for the CPU: memory that stays where it is.
  Status pin_memory(const CudaSpec& cuda);
  Result<Tensor> make_input(const InputView& view) const;
  Result<Tensor> run_unbound(std::span<const InputView> inputs, const RunControl& control) const;
  Result<Tensor> run_bound(std::span<const InputView> inputs, const RunControl& control) const;

  /// The inputs and the output of `session_`, whose file is named for messages.
  Status recognise(const std::string& path, std::span<const std::string> output_names);

  const Runtime* runtime_;
  std::vector<SessionInput> inputs_;
  std::string output_name_;
  // The session refers to the initialisers and the domain, so it goes first (members are destroyed in reverse order).
  OrtPointer<ort::OrtCustomOpDomain> domain_;
  std::vector<Tensor> initialisers_;
  OrtPointer<ort::OrtSession> session_;
  // For a GPU only.
  OrtPointer<ort::OrtMemoryInfo> pinned_memory_;
  OrtPointer<ort::OrtAllocator> pinned_;
  // Where lone sequences run as CUDA graphs.
  std::unique_ptr<CapturedRuns> captured_;
};

}  // namespace sparse_rerank
