#include "inference/sequence_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

namespace sparse_rerank {
namespace {

std::vector<GroupMember> members_of(const std::vector<std::size_t>& lengths, std::size_t bytes_per_token) {
  std::vector<GroupMember> members;
  for (const std::size_t length : lengths) {
    members.push_back({static_cast<std::uint32_t>(members.size()), length, length * bytes_per_token});
  }
  return members;
}

std::vector<std::size_t> sizes_of(const std::vector<SequenceGroup>& groups) {
  std::vector<std::size_t> sizes;
  for (const SequenceGroup group : groups) sizes.push_back(group.size());
  return sizes;
}

/// A GPU with memory for a fixed number of padded bytes.
struct SimulatedGpu {
  std::size_t room;
  std::vector<std::uint32_t> done;
  std::size_t refused = 0;

  Status run(SequenceGroup group) {
    if (group.front().bytes * group.size() > room) {
      ++refused;
      return Error{"ERR_RUNTIME_FAILED", "ONNX Runtime could not run the model: Failed to allocate memory for requested buffer of size 1"};
    }
    for (const GroupMember& member : group) done.push_back(member.position);
    return std::nullopt;
  }
};

TEST(SequenceGroups, CountPaddingAgainstTheBudget) {
  const auto members = members_of({100, 90, 40, 40, 10}, 10);
  EXPECT_EQ(sizes_of(make_groups(members, 2000)), (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(sizes_of(make_groups(members, 100000)), (std::vector<std::size_t>{5}));
  EXPECT_EQ(sizes_of(make_groups(members, 0)), (std::vector<std::size_t>{1, 1, 1, 1, 1}));
  EXPECT_TRUE(make_groups({}, 10).empty());
}

TEST(SequenceGroups, HaveAtMostTheTokensThatKeepAGpuBusy) {
  const auto members = members_of(std::vector<std::size_t>(100, 512), 0);
  for (const SequenceGroup group : make_groups(members, 0)) EXPECT_EQ(group.size() * 512 <= kMaxTokens, true);
  EXPECT_EQ(make_groups(members, 0).size(), 4U);
}

TEST(RunGroup, HalvesUntilItFitsAndKeepsTheBudgetThere) {
  const auto members = members_of(std::vector<std::size_t>(16, 10), 10);
  GroupBudget budget(1600);
  SimulatedGpu gpu{450, {}, 0};
  EXPECT_FALSE(run_group(members, budget, [&](SequenceGroup group) { return gpu.run(group); }));
  std::vector<std::uint32_t> everyone(16);
  std::iota(everyone.begin(), everyone.end(), 0U);
  EXPECT_EQ(gpu.done, everyone);
  EXPECT_EQ(budget.bytes(), 400U);
  const std::size_t refused = gpu.refused;
  for (const SequenceGroup group : make_groups(members, budget.bytes())) {
    EXPECT_FALSE(run_group(group, budget, [&](SequenceGroup part) { return gpu.run(part); }));
  }
  EXPECT_EQ(gpu.refused, refused);
}

TEST(RunGroup, TellsOfASequenceThatFindsNoMemoryAlone) {
  const auto members = members_of({4000, 10}, 10);
  GroupBudget budget(1000000);
  SimulatedGpu gpu{450, {}, 0};
  const auto failure = run_group(members, budget, [&](SequenceGroup group) { return gpu.run(group); });
  ASSERT_TRUE(failure);
  EXPECT_STREQ(failure->code, "ERR_TOO_LARGE");
  EXPECT_NE(failure->message.find("4000 tokens"), std::string::npos);
}

TEST(RunGroup, PassesOtherFailuresOnAtOnce) {
  const auto members = members_of({10, 10}, 10);
  GroupBudget budget(1000);
  std::size_t runs = 0;
  const auto failure = run_group(members, budget, [&](SequenceGroup) -> Status {
    ++runs;
    return Error{"ERR_RUNTIME_FAILED", "CUDA failure 700: an illegal memory access was encountered"};
  });
  ASSERT_TRUE(failure);
  EXPECT_STREQ(failure->code, "ERR_RUNTIME_FAILED");
  EXPECT_EQ(runs, 1U);
  EXPECT_EQ(budget.bytes(), 1000U);
}

TEST(LongestFirst, KeepsTheOrderOfEquallyLongSequences) {
  const auto members = longest_first({{1, 2, 3, 4, 5, 6, 7}, {0, 2, 5, 7}, {}, {20, 30, 21}});
  std::vector<std::uint32_t> positions;
  std::vector<std::size_t> bytes;
  for (const GroupMember& member : members) {
    positions.push_back(member.position);
    bytes.push_back(member.bytes);
  }
  EXPECT_EQ(positions, (std::vector<std::uint32_t>{1, 0, 2}));
  EXPECT_EQ(bytes, (std::vector<std::size_t>{30, 20, 21}));
}

TEST(GroupQueue, GivesEachSequenceToOneOfItsThreads) {
  GroupBudget budget(40);
  GroupQueue queue(members_of(std::vector<std::size_t>(100, 2), 10), budget);
  EXPECT_EQ(queue.size(), 50U);
  std::mutex mutex;
  std::vector<std::uint32_t> done;
  const auto drain = [&] {
    EXPECT_FALSE(queue.drain([&](SequenceGroup group) -> Status {
      const std::lock_guard lock(mutex);
      for (const GroupMember& member : group) done.push_back(member.position);
      return std::nullopt;
    }));
  };
  std::thread other(drain);
  drain();
  other.join();
  std::sort(done.begin(), done.end());
  std::vector<std::uint32_t> everyone(100);
  std::iota(everyone.begin(), everyone.end(), 0U);
  EXPECT_EQ(done, everyone);
}

TEST(GroupQueue, CutsGroupsAgainThatWereTooLargeForAnEarlierOne) {
  GroupBudget budget(800);
  GroupQueue queue(members_of(std::vector<std::size_t>(16, 10), 10), budget);
  EXPECT_EQ(queue.size(), 2U);
  SimulatedGpu gpu{450, {}, 0};
  EXPECT_FALSE(queue.drain([&](SequenceGroup group) { return gpu.run(group); }));
  EXPECT_EQ(gpu.done.size(), 16U);
  EXPECT_EQ(gpu.refused, 1U);
}

TEST(GroupQueue, EndsWithTheFirstFailure) {
  GroupBudget budget(100);
  GroupQueue queue(members_of({10, 10, 10}, 10), budget);
  std::size_t runs = 0;
  const auto failure = queue.drain([&](SequenceGroup) -> Status {
    ++runs;
    return Error{"ERR_RUNTIME_FAILED", "CUDA failure 700: an illegal memory access was encountered"};
  });
  EXPECT_TRUE(failure);
  EXPECT_EQ(runs, 1U);
}

TEST(OutOfMemory, IsKnownByTheMessagesOfAllocatorsAndLibraries) {
  EXPECT_TRUE(is_out_of_memory("bfc_arena.cc:376 Available memory of 10 is smaller than requested bytes of 20"));
  EXPECT_TRUE(is_out_of_memory("CUDA failure 2: out of memory"));
  EXPECT_TRUE(is_out_of_memory("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"));
  EXPECT_FALSE(is_out_of_memory("Exiting due to terminate flag being set to true."));
}

}  // namespace
}  // namespace sparse_rerank
