#include "core/dedicated_thread.h"

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <thread>
#include <vector>

namespace sparse_rerank {
namespace {

TEST(DedicatedThread, DoesAllWorkOnOneThread) {
  DedicatedThread dedicated;
  // Written only on that thread, without a lock, so that ThreadSanitizer reports a second thread.
  std::set<std::thread::id> threads;
  std::size_t runs = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        int done = -1;
        dedicated.run([&] {
          threads.insert(std::this_thread::get_id());
          ++runs;
          done = round;
        });
        EXPECT_EQ(done, round);
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(runs, 8U * 200U);
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_EQ(threads.count(std::this_thread::get_id()), 0U);
}

TEST(DedicatedThread, ThrowsToTheCallerAndGoesOn) {
  DedicatedThread dedicated;
  EXPECT_THROW(dedicated.run([] { throw std::bad_alloc(); }), std::bad_alloc);
  bool done = false;
  dedicated.run([&] { done = true; });
  EXPECT_TRUE(done);
}

TEST(DedicatedThread, EndsWithoutWork) {
  const DedicatedThread dedicated;
}

}  // namespace
}  // namespace sparse_rerank
