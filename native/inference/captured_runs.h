#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/cuda_driver.h"
#include "core/result.h"
#include "inference/batch_inputs.h"
#include "inference/cuda_provider.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"

namespace sparse_rerank {

/// The run option by which ONNX Runtime tells graphs apart; -1 is for runs without one.
inline constexpr const char* kGraphId = "gpu_graph_id";

/// Runs of a session as CUDA graphs: a card is told once what to do for sequences of some length, and then only to do it again, which saves
/// the time of launching each kernel. A graph reads and writes the same memory each time, so one run is under way at a time. ONNX Runtime
/// keeps graphs for each thread, so all runs are on one thread of their own. Thread-safe.
class CapturedRuns {
 public:
  ~CapturedRuns();
  CapturedRuns(const CapturedRuns&) = delete;
  CapturedRuns& operator=(const CapturedRuns&) = delete;

  /// @param session made with graphs enabled; must outlive this
  static Result<std::unique_ptr<CapturedRuns>> create(const Runtime& runtime, ort::OrtSession* session, std::string output_name,
                                                      const CudaSpec& cuda);

  using Run = std::function<Result<OrtPointer<ort::OrtValue>>()>;

  /// A result in memory of the CPU.
  /// @param inputs of a lone sequence; all their shapes follow from the length of the first
  /// @param run the same without a graph: the first time for a length, whose result then tells what the graph will write
  Result<OrtPointer<ort::OrtValue>> run(std::span<const InputView> inputs, const Run& run);

 private:
  /// What one graph reads and writes, on the card.
  struct Capture {
    std::vector<OrtPointer<ort::OrtValue>> inputs;
    OrtPointer<ort::OrtValue> output;
    ort::ONNXTensorElementDataType type{};
    std::vector<std::int64_t> shape;
    std::size_t bytes = 0;
    OrtPointer<ort::OrtIoBinding> binding;
    OrtPointer<ort::OrtRunOptions> options;
  };

  CapturedRuns(const Runtime& runtime, ort::OrtSession* session, std::string output_name, OrtPointer<ort::OrtMemoryInfo> memory,
               OrtPointer<ort::OrtAllocator> allocator, std::unique_ptr<const CudaDriver::Copier> copier);

  /// The thread.
  void work();
  Result<OrtPointer<ort::OrtValue>> run_here(std::span<const InputView> inputs, const Run& run);
  Result<Capture> prepare(std::span<const InputView> inputs, const ort::OrtValue& sample, std::int64_t length) const;
  Result<OrtPointer<ort::OrtValue>> replay(const Capture& capture, std::span<const InputView> inputs) const;
  [[nodiscard]] Result<void*> data_of(ort::OrtValue* value) const;

  const Runtime* runtime_;
  ort::OrtSession* session_;
  std::string output_name_;
  OrtPointer<ort::OrtMemoryInfo> memory_;
  OrtPointer<ort::OrtAllocator> allocator_;
  std::unique_ptr<const CudaDriver::Copier> copier_;
  std::map<std::int64_t, Capture> captures_;  // by length; the thread's

  /// One caller at a time.
  std::mutex turn_;
  /// Guards what follows.
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace sparse_rerank
