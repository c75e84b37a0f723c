#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace sparse_rerank {

/// What the models of a process that share a GPU tell each other about its memory. ONNX Runtime keeps what a group has freed for the next
/// one, each session for itself; where one of them finds no memory, all of them are to give back what lies idle, when they next run.
/// Thread-safe.
class DeviceMemory {
 public:
  /// @param device its number
  static std::shared_ptr<DeviceMemory> of(int device);

  /// Somebody found no memory.
  void report_full() { shortages_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t shortages() const { return shortages_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> shortages_{0};
};

/// One model's part in it.
class DeviceMemoryUser {
 public:
  explicit DeviceMemoryUser(std::shared_ptr<DeviceMemory> memory) : memory_(std::move(memory)), seen_(memory_->shortages()) {}

  void report_full() { memory_->report_full(); }
  /// Whether memory was short since this was last asked.
  [[nodiscard]] bool should_give_back() {
    const std::uint64_t now = memory_->shortages();
    return seen_.exchange(now, std::memory_order_relaxed) != now;
  }

 private:
  std::shared_ptr<DeviceMemory> memory_;
  std::atomic<std::uint64_t> seen_;
};

}  // namespace sparse_rerank
