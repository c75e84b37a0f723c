#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/cuda_driver.h"
#include "core/dedicated_thread.h"
#include "core/result.h"
#include "inference/cuda/cuda_provider.h"
#include "inference/group_inputs.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace sparse_rerank {

/// The run option by which ONNX Runtime tells graphs apart; -1 is for runs without one.
inline constexpr const char* kGraphId = "gpu_graph_id";

/// Runs of a session as CUDA graphs: a GPU is told once what to do for sequences of some length, and then only to do it again, which saves
/// the time of launching each kernel. A graph reads and writes the same memory each time, so one run is under way at a time. ONNX Runtime
/// keeps graphs for each thread, so all runs are on one thread of their own. Thread-safe.
class CapturedRuns {
 public:
  /// @param session made with graphs enabled; must outlive this
  static Result<std::unique_ptr<CapturedRuns>> create(const Runtime& runtime, ort::OrtSession* session, std::string output_name,
                                                      const CudaSpec& cuda);

  using Run = std::function<Result<Tensor>()>;

  /// A result in memory of the CPU.
  /// @param inputs of a lone sequence; all their shapes follow from the length of the first
  /// @param run the same without a graph: the first time for a length, whose result then tells what the graph will write
  Result<Tensor> run(std::span<const InputView> inputs, const Run& run);

 private:
  /// What one graph reads and writes, on the GPU.
  struct Capture {
    std::vector<Tensor> inputs;
    Tensor output;
    TensorType type;  // of the output
    OrtPointer<ort::OrtIoBinding> binding;
    OrtPointer<ort::OrtRunOptions> options;
  };

  CapturedRuns(const Runtime& runtime, ort::OrtSession* session, std::string output_name, OrtPointer<ort::OrtMemoryInfo> memory,
               OrtPointer<ort::OrtAllocator> allocator, std::unique_ptr<const CudaDriver::Copier> copier);

  /// All on the thread.
  Result<Tensor> run_here(std::span<const InputView> inputs, const Run& run);
  Result<Capture> prepare(std::span<const InputView> inputs, const ort::OrtValue& sample, std::int64_t length) const;
  Result<Tensor> replay(const Capture& capture, std::span<const InputView> inputs) const;

  const Runtime* runtime_;
  ort::OrtSession* session_;
  std::string output_name_;
  OrtPointer<ort::OrtMemoryInfo> memory_;
  OrtPointer<ort::OrtAllocator> allocator_;
  std::unique_ptr<const CudaDriver::Copier> copier_;
  std::map<std::int64_t, Capture> captures_;  // by length; the thread's
  DedicatedThread thread_;
};

}  // namespace sparse_rerank
