#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/result.h"

namespace sparse_rerank {

/// Memory that this process may use: the machine's, bounded by the cgroup limit (v1 or v2) if there is one. 0 if unknown.
std::size_t memory_limit();

/// The working-memory budget of the process: what running sequences may hold together, in addition to the weights.
class MemoryBudget {
 public:
  /// Four fifths of memory_limit(): the rest is for weights, results and the caller.
  MemoryBudget();

  static MemoryBudget& instance();

  /// ERR_ALREADY_CONFIGURED if another limit is already in use.
  Status set_limit(std::size_t bytes);
  std::size_t limit();

  /// A share of the budget, returned when it is destroyed.
  class Share {
   public:
    Share(MemoryBudget& budget, std::size_t bytes);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    MemoryBudget& budget_;
    const std::size_t bytes_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable returned_;
  std::size_t limit_;
  bool limit_in_use_ = false;
  std::size_t used_ = 0;
  // Shares are granted in the order requested, so that small ones cannot starve a large one.
  std::uint64_t next_ticket_ = 0;
  std::uint64_t served_ticket_ = 0;
};

}  // namespace sparse_rerank
