#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace sparse_rerank {

/// Memory shortages of a GPU, shared by the models of a process that use it. Each session of ONNX Runtime keeps freed memory for its next
/// run; after one of them runs out of memory, all of them release their idle memory in their next run. Thread-safe.
class DeviceMemory {
 public:
  /// @param device the number of the GPU
  static std::shared_ptr<DeviceMemory> of(int device);

  /// Reports that a model ran out of memory.
  void report_full() { shortages_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t shortages() const { return shortages_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> shortages_{0};
};

/// The view of one model.
class DeviceMemoryUser {
 public:
  explicit DeviceMemoryUser(std::shared_ptr<DeviceMemory> memory) : memory_(std::move(memory)), seen_(memory_->shortages()) {}

  void report_full() { memory_->report_full(); }
  /// Whether memory ran short since the last call.
  [[nodiscard]] bool should_give_back() {
    const std::uint64_t now = memory_->shortages();
    return seen_.exchange(now, std::memory_order_relaxed) != now;
  }

 private:
  std::shared_ptr<DeviceMemory> memory_;
  std::atomic<std::uint64_t> seen_;
};

}  // namespace sparse_rerank
