#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/result.h"

namespace sparse_rerank {

/// Memory that this process may use: the machine's, bounded by the cgroup limit (v1 or v2) where there is one. 0 where it is not known.
std::size_t memory_limit();

/// The one working-memory budget of the process: what running sequences may hold together, beside the weights.
class MemoryBudget {
 public:
  /// Four fifths of memory_limit(): the rest is for weights, results and the caller.
  MemoryBudget();

  static MemoryBudget& instance();

  /// ERR_ALREADY_CONFIGURED when the limit was looked at and is another one.
  Status set_limit(std::size_t bytes);
  std::size_t limit();

  /// A share of the budget, given back at the end of its life.
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
  // Shares are given in the order of their asking, so that small ones cannot keep a large one out for ever.
  std::uint64_t next_ticket_ = 0;
  std::uint64_t served_ticket_ = 0;
};

}  // namespace sparse_rerank
