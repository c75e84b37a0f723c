#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// How much memory a padded batch may take, by the estimates of its sequences. Thread-safe.
class BatchBudget {
 public:
  explicit BatchBudget(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  /// After a batch of so many bytes found no memory: later ones take half of it at most.
  void shrink(std::size_t failed);

 private:
  std::atomic<std::size_t> bytes_;
};

/// A sequence of a batch: where it stands in the input, its tokens, and the memory that it takes, 0 where it is not known.
struct BatchMember {
  std::uint32_t position = 0;
  std::size_t length = 0;
  std::size_t bytes = 0;
};

/// Members that run together, padded to the first, which is the longest.
using BatchGroup = std::span<const BatchMember>;

/// Cuts members, the longest first, into groups of `budget` bytes and kMaxTokens tokens at most, padding included; a member that alone is
/// larger is a group of its own.
std::vector<BatchGroup> group_members(std::span<const BatchMember> members, std::size_t budget);

/// Beyond this many tokens a card has long been busy, and results would only come later.
inline constexpr std::size_t kMaxTokens = 16384;

/// Whether ONNX Runtime's message says that a device had no memory left.
[[nodiscard]] bool is_out_of_memory(const std::string& message);

/// Runs a group; where it finds no memory, its halves one after the other, and the budget of later groups shrinks. ERR_TOO_LARGE where a
/// single member finds none.
Status run_group(BatchGroup group, BatchBudget& budget, const std::function<Status(BatchGroup)>& run);

}  // namespace sparse_rerank
