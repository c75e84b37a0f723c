#include "inference/sequence_groups.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sparse_rerank {

void GroupBudget::shrink(std::size_t failed) {
  std::size_t current = bytes();
  while (failed / 2 < current && !bytes_.compare_exchange_weak(current, failed / 2, std::memory_order_relaxed)) {
  }
}

std::vector<GroupMember> longest_first(const Sequences& sequences) {
  std::vector<GroupMember> members;
  members.reserve(sequences.size());
  for (std::uint32_t i = 0; i < sequences.size(); ++i) {
    const std::size_t kept = sequences.kept(i);
    members.push_back({i, sequences.length(i) - kept, sequences.bytes.empty() ? 0 : static_cast<std::size_t>(sequences.bytes[i]), kept});
  }
  std::stable_sort(members.begin(), members.end(), [](const GroupMember& a, const GroupMember& b) { return a.length > b.length; });
  return members;
}

std::vector<SequenceGroup> make_groups(std::span<const GroupMember> members, std::size_t budget) {
  std::vector<SequenceGroup> groups;
  while (!members.empty()) {
    const GroupMember& longest = members.front();
    const std::size_t by_memory = longest.bytes == 0 ? members.size() : budget / longest.bytes;
    const std::size_t by_tokens = kMaxTokens / std::max<std::size_t>(longest.length, 1);
    const std::size_t count = std::clamp<std::size_t>(std::min(by_memory, by_tokens), 1, members.size());
    groups.push_back(members.first(count));
    members = members.subspan(count);
  }
  return groups;
}

bool is_out_of_memory(const std::string& message) {
  constexpr std::array kSigns = {"Failed to allocate memory", "out of memory", "smaller than requested bytes", "ALLOC_FAILED"};
  return std::any_of(kSigns.begin(), kSigns.end(), [&](const char* sign) { return message.find(sign) != std::string::npos; });
}

Status run_group(SequenceGroup group, GroupBudget& budget, const std::function<Status(SequenceGroup)>& run) {
  auto failure = run(group);
  if (!failure || !is_out_of_memory(failure->message)) return failure;
  if (group.size() == 1) {
    return Error{"ERR_TOO_LARGE", "The device has no memory for a sequence of " + std::to_string(group.front().length) +
                                      " tokens: " + failure->message + ". Load the model with a smaller maxSeqLength."};
  }
  budget.shrink(group.front().bytes * group.size());
  const std::size_t half = group.size() / 2;
  if (auto first = run_group(group.first(half), budget, run)) return first;
  return run_group(group.subspan(half), budget, run);
}

GroupQueue::GroupQueue(std::vector<GroupMember> members, GroupBudget& budget)
    : members_(std::move(members)), budget_(budget), groups_(make_groups(members_, budget.bytes())) {}

Status GroupQueue::drain(const std::function<Status(SequenceGroup)>& run) {
  for (std::size_t i = next_++; i < groups_.size(); i = next_++) {
    // Splits a group that was planned before the budget shrank.
    for (const SequenceGroup group : make_groups(groups_[i], budget_.bytes())) {
      if (auto failure = run_group(group, budget_, run)) return failure;
    }
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
