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

/// The run option that identifies a CUDA graph to ONNX Runtime; -1 runs without one.
inline constexpr const char* kGraphId = "gpu_graph_id";

/// Runs a session as CUDA graphs: the kernel launches for a sequence length are captured once and then replayed, which saves the time of
/// launching each kernel. A graph reads and writes the same memory each time, so runs are serialized. ONNX Runtime keeps graphs per thread,
/// so all runs execute on a dedicated thread. Thread-safe.
class CapturedRuns {
 public:
  /// @param session created with graphs enabled; must outlive this object
  static Result<std::unique_ptr<CapturedRuns>> create(const Runtime& runtime, ort::OrtSession* session, std::string output_name,
                                                      const CudaSpec& cuda);

  using Run = std::function<Result<Tensor>()>;

  /// Returns the result in CPU memory.
  /// @param inputs of a single sequence; their shapes all follow from the length of the first
  /// @param run does the same without a graph; called for the first run of a length, to learn the type of the output
  Result<Tensor> run(std::span<const InputView> inputs, const Run& run);

 private:
  /// The GPU memory that one graph reads and writes.
  struct Capture {
    std::vector<Tensor> inputs;
    Tensor output;
    TensorType type;  // of the output
    OrtPointer<ort::OrtIoBinding> binding;
    OrtPointer<ort::OrtRunOptions> options;
  };

  CapturedRuns(const Runtime& runtime, ort::OrtSession* session, std::string output_name, OrtPointer<ort::OrtMemoryInfo> memory,
               OrtPointer<ort::OrtAllocator> allocator, std::unique_ptr<const CudaDriver::Copier> copier);

  /// Runs on `thread_`.
  Result<Tensor> run_here(std::span<const InputView> inputs, const Run& run);
  Result<Capture> prepare(std::span<const InputView> inputs, const ort::OrtValue& sample, std::int64_t length) const;
  Result<Tensor> replay(const Capture& capture, std::span<const InputView> inputs) const;

  const Runtime* runtime_;
  ort::OrtSession* session_;
  std::string output_name_;
  OrtPointer<ort::OrtMemoryInfo> memory_;
  OrtPointer<ort::OrtAllocator> allocator_;
  std::unique_ptr<const CudaDriver::Copier> copier_;
  std::map<std::int64_t, Capture> captures_;  // by length; used on `thread_` only
  DedicatedThread thread_;
};

}  // namespace sparse_rerank
