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

/// The memory that a group may use, by the estimates of its sequences. Thread-safe.
class GroupBudget {
 public:
  explicit GroupBudget(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  /// Limits later groups to half of `failed`, the bytes of a group that ran out of memory.
  void shrink(std::size_t failed);

 private:
  std::atomic<std::size_t> bytes_;
};

/// A sequence of a call: its position in the input, the number of tokens to compute, the bytes of memory that it needs, 0 if unknown, and
/// the number of tokens before those, which are kept from another run.
struct GroupMember {
  std::uint32_t position = 0;
  std::size_t length = 0;
  std::size_t bytes = 0;
  std::size_t kept = 0;
};

/// Members that run together, padded to the length of the first, which is the longest.
using SequenceGroup = std::span<const GroupMember>;

/// The sequences by descending length; equally long ones stay in input order.
std::vector<GroupMember> longest_first(const Sequences& sequences);

/// Splits members, the longest first, into groups of at most `budget` bytes and kMaxTokens tokens, including padding. A member that exceeds
/// these is a group of its own.
std::vector<SequenceGroup> make_groups(std::span<const GroupMember> members, std::size_t budget);

/// More tokens per group would delay results without making better use of the GPU.
inline constexpr std::size_t kMaxTokens = 16384;

/// Whether a message of ONNX Runtime means that a device is out of memory.
[[nodiscard]] bool is_out_of_memory(const std::string& message);

/// Runs a group. If it runs out of memory, runs its halves one after the other and shrinks the budget of later groups. Errors:
/// ERR_TOO_LARGE (a single member does not fit), and those of `run`.
Status run_group(SequenceGroup group, GroupBudget& budget, const std::function<Status(SequenceGroup)>& run);

/// Distributes the groups of one call to its tasks. Thread-safe.
class GroupQueue {
 public:
  /// @param members the longest first
  /// @param budget shared by all calls on a model; must outlive the queue
  GroupQueue(std::vector<GroupMember> members, GroupBudget& budget);

  /// The number of groups, as planned.
  [[nodiscard]] std::size_t size() const { return groups_.size(); }
  /// Runs groups that no other thread has claimed, with run_group, until none is left or one fails.
  Status drain(const std::function<Status(SequenceGroup)>& run);

 private:
  const std::vector<GroupMember> members_;
  GroupBudget& budget_;
  const std::vector<SequenceGroup> groups_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace sparse_rerank
