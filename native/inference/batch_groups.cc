#include "inference/batch_groups.h"

#include <algorithm>
#include <array>

namespace sparse_rerank {

void BatchBudget::shrink(std::size_t failed) {
  std::size_t current = bytes();
  while (failed / 2 < current && !bytes_.compare_exchange_weak(current, failed / 2, std::memory_order_relaxed)) {
  }
}

std::vector<BatchGroup> group_members(std::span<const BatchMember> members, std::size_t budget) {
  std::vector<BatchGroup> groups;
  while (!members.empty()) {
    const BatchMember& longest = members.front();
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

Status run_group(BatchGroup group, BatchBudget& budget, const std::function<Status(BatchGroup)>& run) {
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

}  // namespace sparse_rerank
