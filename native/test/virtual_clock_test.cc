#include "core/virtual_clock.h"

#include <gtest/gtest.h>

namespace sparse_rerank {
namespace {

TEST(VirtualClock, AloneACallFinishesAfterItsWork) {
  VirtualClock clock;
  EXPECT_EQ(clock.arrive(10), 10);
  clock.advance(4);
  EXPECT_EQ(clock.arrive(0), 4);
  clock.advance(6);
  EXPECT_EQ(clock.arrive(3), 13);
}

TEST(VirtualClock, CallsShareTheMachineEqually) {
  VirtualClock clock;
  EXPECT_EQ(clock.arrive(100), 100);
  EXPECT_EQ(clock.arrive(20), 20);
  // Each has received 20, and the second would be done.
  clock.advance(40);
  EXPECT_EQ(clock.arrive(0), 20);
  // The first alone receives everything now.
  clock.advance(30);
  EXPECT_EQ(clock.arrive(0), 50);
}

TEST(VirtualClock, AShortCallOvertakesLongOnesThatHaveHardlyBegun) {
  VirtualClock clock;
  for (int i = 0; i < 16; ++i) EXPECT_EQ(clock.arrive(1000), 1000);
  // The first of them is done in reality; with equal shares, none would be.
  clock.advance(1000);
  EXPECT_EQ(clock.arrive(10), 62.5 + 10);
}

TEST(VirtualClock, ALongCallIsOvertakenByNoMoreThanItsOwnWork) {
  VirtualClock clock;
  const double finish = clock.arrive(1000);
  int overtaking = 0;
  // Short calls are half of the load.
  while (clock.arrive(10) < finish) {
    ++overtaking;
    clock.advance(20);
  }
  EXPECT_EQ(overtaking, 99);
}

TEST(VirtualClock, WorkThatIsNeverDoneIsForgotten) {
  VirtualClock clock;
  for (int i = 0; i < 100'000; ++i) clock.arrive(1);
  // At most 4096 calls share what is done; without the bound it would be 100,000.
  const double before = clock.arrive(0);
  clock.advance(2048);
  EXPECT_GE(clock.arrive(0), before + 0.5);
  clock.clear();
  const double after = clock.arrive(0);
  EXPECT_EQ(clock.arrive(5), after + 5);
}

}  // namespace
}  // namespace sparse_rerank
