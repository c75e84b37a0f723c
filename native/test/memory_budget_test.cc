#include "core/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

namespace sparse_rerank {
namespace {

using Share = MemoryBudget::Share;

TEST(MemoryBudget, TheMachineHasMemory) {
  EXPECT_GT(memory_limit(), std::size_t{64} << 20);
  EXPECT_LT(MemoryBudget().limit(), memory_limit());
}

TEST(MemoryBudget, TheLimitIsFixedOnceItIsLookedAt) {
  MemoryBudget budget;
  EXPECT_FALSE(budget.set_limit(100));
  EXPECT_FALSE(budget.set_limit(200));
  EXPECT_EQ(budget.limit(), 200U);
  EXPECT_FALSE(budget.set_limit(200));
  const Status refused = budget.set_limit(100);
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_ALREADY_CONFIGURED");
}

TEST(MemoryBudget, SharesNeverExceedTheLimit) {
  MemoryBudget budget;
  budget.set_limit(10);
  std::atomic<std::size_t> used{0};
  std::atomic<std::size_t> most{0};
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t bytes = (i * 7 + thread * 3) % 11;
        const Share share(budget, bytes);
        const std::size_t now = used.fetch_add(bytes) + bytes;
        for (std::size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        used -= bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 10U);
}

TEST(MemoryBudget, AShareAboveTheLimitRunsAlone) {
  MemoryBudget budget;
  budget.set_limit(10);
  std::optional<Share> small(std::in_place, budget, 1);
  std::atomic<bool> given{false};
  std::thread large([&] {
    const Share share(budget, 1000);
    given = true;
  });
  EXPECT_FALSE(given);
  small.reset();
  large.join();
  EXPECT_TRUE(given);
}

TEST(MemoryBudget, ALargeShareIsNotOvertakenForEver) {
  MemoryBudget budget;
  budget.set_limit(10);
  std::optional<Share> first(std::in_place, budget, 5);
  std::atomic<bool> large_given{false};
  std::thread large([&] {
    const Share share(budget, 10);
    large_given = true;
  });
  std::atomic<int> small_given{0};
  std::vector<std::thread> small;
  for (int i = 0; i < 3; ++i) {
    small.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        const Share share(budget, 1);
        ++small_given;
      }
    });
  }
  first.reset();
  large.join();
  EXPECT_TRUE(large_given);
  for (std::thread& thread : small) thread.join();
  EXPECT_EQ(small_given, 600);
}

}  // namespace
}  // namespace sparse_rerank
