#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "inference/cuda/captured_runs.h"
#include "inference/cuda/cuda_provider.h"
#include "inference/custom_operator.h"
#include "inference/group_inputs.h"
#include "inference/kept_prefix.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace sparse_rerank {

/// The output of a run, in memory of ONNX Runtime: floats, or fp16 until widened.
class OutputTensor {
 public:
  OutputTensor(Tensor value, std::span<const float> data, std::vector<std::int64_t> shape)
      : value_(std::move(value)), floats_(data), shape_(std::move(shape)) {}
  OutputTensor(Tensor value, std::span<const std::uint16_t> halves, std::vector<std::int64_t> shape)
      : value_(std::move(value)), halves_(halves), shape_(std::move(shape)) {}

  /// Widens fp16.
  std::span<const float> floats();
  /// Empty if the output is not fp16.
  [[nodiscard]] std::span<const std::uint16_t> halves() const { return halves_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }

 private:
  Tensor value_;
  AlignedBuffer<float> widened_;
  std::span<const float> floats_;
  std::span<const std::uint16_t> halves_;
  std::vector<std::int64_t> shape_;
};

/// Lets any thread stop the runs that it was passed to.
class RunControl {
 public:
  /// @param giving_back the device ("cpu:0", "gpu:0") whose idle memory ONNX Runtime frees after each run instead of keeping it; empty for
  ///   none
  static Result<RunControl> create(const Runtime& runtime, const std::string& giving_back = {});

  /// Any thread. Running runs end with an error at their next operator; later ones fail immediately.
  void terminate() const;
  [[nodiscard]] const ort::OrtRunOptions* options() const { return options_.get(); }

 private:
  RunControl(const Runtime& runtime, ort::OrtRunOptions* options);
  const Runtime* runtime_;
  OrtPointer<ort::OrtRunOptions> options_;
};

/// An initializer of a graph.
struct NamedWeight {
  std::string name;
  std::span<const std::byte> data;
  TensorType type;
};

/// A graph built by this package, and the device that runs it.
struct SessionSpec {
  /// A serialized ModelProto whose weights are external data.
  std::span<const std::byte> graph;
  /// The folder that the graph's external data locations are relative to. ONNX Runtime checks that the files exist, but uses `weights`
  /// instead of reading them.
  const std::string& weight_folder;
  std::span<const NamedWeight> weights;
  /// Our operators that the graph may use; must outlive the session.
  std::vector<const CustomOperator*> operators;
  std::vector<SessionInput> inputs;
  std::string output_name = "logits";
  /// Present if the graph has the inputs and outputs of kept-prefix.ts.
  std::optional<PrefixSpec> prefix = std::nullopt;
  /// Whether the session copies the weights, as devices other than the CPU require. Otherwise it uses them in place, and they must outlive
  /// it.
  bool copies_weights = false;
  ort::GraphOptimizationLevel optimization = ort::ORT_ENABLE_ALL;
  /// Null on the CPU.
  const CudaSpec* cuda = nullptr;
};

/// What distinguishes one run of a session from others.
struct RunOptions {
  /// Whether to run as a CUDA graph, which later runs of the same length replay; requires captures() and a single sequence.
  bool captured = false;
  /// From which the run continues; null for none. Requires prefix().
  const KeptPrefix* prefix = nullptr;
};

/// A graph that is ready to run. On the CPU each run uses one thread: the pool runs several at once (docs/architecture.md). run() is
/// thread-safe.
class Session {
 public:
  /// Errors: ERR_RUNTIME_FAILED, and those of make_cuda_options.
  static Result<Session> create(const Runtime& runtime, SessionSpec spec);

  /// Opens an external ONNX model, with its weights inside the file or next to it.
  /// @param output_names the output is the first of these that the graph has, or the graph's only output
  /// Errors: ERR_UNSUPPORTED_MODEL (unknown inputs or outputs).
  static Result<Session> open(const Runtime& runtime, const std::string& path, std::span<const std::string> output_names);

  /// Whether runs can be captured as CUDA graphs.
  [[nodiscard]] bool captures() const { return captured_ != nullptr; }
  /// The inputs of the graph.
  [[nodiscard]] std::span<const SessionInput> inputs() const { return inputs_; }
  /// Null if runs cannot continue from a prefix.
  [[nodiscard]] const PrefixPorts* prefix() const { return prefix_.get(); }
  [[nodiscard]] const Runtime& runtime() const { return *runtime_; }

  /// Blocks until the result is available, on a GPU too.
  /// @param inputs a view per input of the graph
  Result<OutputTensor> run(std::span<const InputView> inputs, const RunControl& control, RunOptions options = {}) const;

  /// Fills a prefix with the keys and values of its tokens, which are the inputs.
  Status keep(std::span<const InputView> inputs, const RunControl& control, const KeptPrefix& prefix) const;

 private:
  explicit Session(const Runtime& runtime) : runtime_(&runtime) {}

  /// Prepares pinned memory, through which runs on a GPU copy their inputs and output asynchronously.
  Status pin_memory(const CudaSpec& cuda);
  Result<Tensor> make_input(const InputView& view) const;
  struct NamedInputs;
  /// @param kept the number of tokens whose keys and values the run returns; both parameters of a prefix need prefix()
  Result<NamedInputs> name_inputs(std::span<const InputView> inputs, const KeptPrefix* past, std::int64_t kept) const;
  Result<Tensor> run_unbound(std::span<const InputView> inputs, const RunControl& control, const KeptPrefix* past) const;
  Result<Tensor> run_bound(std::span<const InputView> inputs, const RunControl& control) const;

  /// Determines the inputs and the output of `session_`. @param path of its file, for messages
  Status recognise(const std::string& path, std::span<const std::string> output_names);

  const Runtime* runtime_;
  std::vector<SessionInput> inputs_;
  std::string output_name_;
  std::unique_ptr<const PrefixPorts> prefix_;
  // The session refers to the initializers and the domain, so it is destroyed first (members are destroyed in reverse order).
  OrtPointer<ort::OrtCustomOpDomain> domain_;
  std::vector<Tensor> initialisers_;
  OrtPointer<ort::OrtSession> session_;
  // GPU only.
  OrtPointer<ort::OrtMemoryInfo> pinned_memory_;
  OrtPointer<ort::OrtAllocator> pinned_;
  // Present if single sequences run as CUDA graphs.
  std::unique_ptr<CapturedRuns> captured_;
};

}  // namespace sparse_rerank
