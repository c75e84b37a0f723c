#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "inference/sequences.h"

namespace sparse_rerank {

/// How much memory a group may take, by the estimates of its sequences. Thread-safe.
class GroupBudget {
 public:
  explicit GroupBudget(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  /// After a group of so many bytes found no memory: later ones take half of it at most.
  void shrink(std::size_t failed);

 private:
  std::atomic<std::size_t> bytes_;
};

/// A sequence of a call: its position in the input, its tokens, and the bytes of memory that it needs, 0 where they are not known.
struct GroupMember {
  std::uint32_t position = 0;
  std::size_t length = 0;
  std::size_t bytes = 0;
};

/// Members that run together, padded to the first, which is the longest.
using SequenceGroup = std::span<const GroupMember>;

/// The sequences, in input order where they are equally long.
std::vector<GroupMember> longest_first(const Sequences& sequences);

/// Cuts members, the longest first, into groups of `budget` bytes and kMaxTokens tokens at most, padding included; a member that alone is
/// larger is a group of its own.
std::vector<SequenceGroup> make_groups(std::span<const GroupMember> members, std::size_t budget);

/// Beyond this many tokens a GPU has long been busy, and results would only come later.
inline constexpr std::size_t kMaxTokens = 16384;

/// Whether ONNX Runtime's message says that a device had no memory left.
[[nodiscard]] bool is_out_of_memory(const std::string& message);

/// Runs a group; where it finds no memory, its halves one after the other, and the budget of later groups shrinks. ERR_TOO_LARGE where a
/// single member finds none.
Status run_group(SequenceGroup group, GroupBudget& budget, const std::function<Status(SequenceGroup)>& run);

/// Hands the groups of one call to its tasks, one after the other. Thread-safe.
class GroupQueue {
 public:
  /// @param members the longest first
  /// @param budget of all calls on a model; must outlive the queue
  GroupQueue(std::vector<GroupMember> members, GroupBudget& budget);

  /// Of the groups, as they were planned.
  [[nodiscard]] std::size_t size() const { return groups_.size(); }
  /// Runs the groups that no other thread has taken, with run_group, until none is left or one fails.
  Status drain(const std::function<Status(SequenceGroup)>& run);

 private:
  const std::vector<GroupMember> members_;
  GroupBudget& budget_;
  const std::vector<SequenceGroup> groups_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace sparse_rerank
