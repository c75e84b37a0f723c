#include "inference/batch_groups.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace sparse_rerank {
namespace {

std::vector<BatchMember> members_of(const std::vector<std::size_t>& lengths, std::size_t bytes_per_token) {
  std::vector<BatchMember> members;
  for (const std::size_t length : lengths) {
    members.push_back({static_cast<std::uint32_t>(members.size()), length, length * bytes_per_token});
  }
  return members;
}

std::vector<std::size_t> sizes_of(const std::vector<BatchGroup>& groups) {
  std::vector<std::size_t> sizes;
  for (const BatchGroup group : groups) sizes.push_back(group.size());
  return sizes;
}

/// A card that has room for so many padded bytes.
struct SimulatedCard {
  std::size_t room;
  std::vector<std::uint32_t> done;
  std::size_t refused = 0;

  Status run(BatchGroup group) {
    if (group.front().bytes * group.size() > room) {
      ++refused;
      return Error{"ERR_RUNTIME_FAILED", "ONNX Runtime could not run the model: Failed to allocate memory for requested buffer of size 1"};
    }
    for (const BatchMember& member : group) done.push_back(member.position);
    return std::nullopt;
  }
};

TEST(BatchGroups, CountPaddingAgainstTheBudget) {
  const auto members = members_of({100, 90, 40, 40, 10}, 10);
  EXPECT_EQ(sizes_of(group_members(members, 2000)), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(sizes_of(group_members(members, 100000)), (std::vector<std::size_t>{5}));
  EXPECT_EQ(sizes_of(group_members(members, 0)), (std::vector<std::size_t>{1, 1, 1, 1, 1}));
  EXPECT_TRUE(group_members({}, 10).empty());
}

TEST(BatchGroups, HaveAtMostTheTokensThatKeepACardBusy) {
  const auto members = members_of(std::vector<std::size_t>(100, 512), 0);
  for (const BatchGroup group : group_members(members, 0)) EXPECT_EQ(group.size() * 512 <= kMaxTokens, true);
  EXPECT_EQ(group_members(members, 0).size(), 4U);
}

TEST(RunGroup, HalvesUntilItFitsAndKeepsTheBudgetThere) {
  const auto members = members_of(std::vector<std::size_t>(16, 10), 10);
  BatchBudget budget(1600);
  SimulatedCard card{450, {}, 0};
  EXPECT_FALSE(run_group(members, budget, [&](BatchGroup group) { return card.run(group); }));
  std::vector<std::uint32_t> everyone(16);
  std::iota(everyone.begin(), everyone.end(), 0U);
  EXPECT_EQ(card.done, everyone);
  EXPECT_EQ(budget.bytes(), 400U);
  const std::size_t refused = card.refused;
  for (const BatchGroup group : group_members(members, budget.bytes())) {
    EXPECT_FALSE(run_group(group, budget, [&](BatchGroup part) { return card.run(part); }));
  }
  EXPECT_EQ(card.refused, refused);
}

TEST(RunGroup, TellsOfASequenceThatFindsNoMemoryAlone) {
  const auto members = members_of({4000, 10}, 10);
  BatchBudget budget(1000000);
  SimulatedCard card{450, {}, 0};
  const auto failure = run_group(members, budget, [&](BatchGroup group) { return card.run(group); });
  ASSERT_TRUE(failure);
  EXPECT_STREQ(failure->code, "ERR_TOO_LARGE");
  EXPECT_NE(failure->message.find("4000 tokens"), std::string::npos);
}

TEST(RunGroup, PassesOtherFailuresOnAtOnce) {
  const auto members = members_of({10, 10}, 10);
  BatchBudget budget(1000);
  std::size_t runs = 0;
  const auto failure = run_group(members, budget, [&](BatchGroup) -> Status {
    ++runs;
    return Error{"ERR_RUNTIME_FAILED", "CUDA failure 700: an illegal memory access was encountered"};
  });
  ASSERT_TRUE(failure);
  EXPECT_STREQ(failure->code, "ERR_RUNTIME_FAILED");
  EXPECT_EQ(runs, 1U);
  EXPECT_EQ(budget.bytes(), 1000U);
}

TEST(OutOfMemory, IsKnownByTheMessagesOfAllocatorsAndLibraries) {
  EXPECT_TRUE(is_out_of_memory("bfc_arena.cc:376 Available memory of 10 is smaller than requested bytes of 20"));
  EXPECT_TRUE(is_out_of_memory("CUDA failure 2: out of memory"));
  EXPECT_TRUE(is_out_of_memory("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"));
  EXPECT_FALSE(is_out_of_memory("Exiting due to terminate flag being set to true."));
}

}  // namespace
}  // namespace sparse_rerank
