#include "inference/sequences.h"

#include <gtest/gtest.h>

namespace sparse_rerank {
namespace {

TEST(Sequences, MayBeNone) {
  EXPECT_FALSE((Sequences{{}, {0}, {}, {}}.check()));
}

TEST(Sequences, CoverTheirIdsInOrder) {
  EXPECT_FALSE((Sequences{{1, 2, 3}, {0, 1, 3}, {0, 1, 1}, {10, 20}}.check()));
  EXPECT_TRUE((Sequences{{1, 2, 3}, {}, {}, {}}.check()));
  EXPECT_TRUE((Sequences{{1, 2, 3}, {0, 2}, {}, {}}.check()));
  EXPECT_TRUE((Sequences{{1, 2, 3}, {1, 3}, {}, {}}.check()));
  EXPECT_TRUE((Sequences{{1, 2, 3}, {0, 4, 3}, {}, {}}.check()));
}

TEST(Sequences, HaveATokenEach) {
  const auto failure = Sequences{{1, 2}, {0, 1, 1, 2}, {}, {}}.check();
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->message, "A sequence has no tokens.");
}

TEST(Sequences, HaveATypeForEachTokenAndBytesForEachSequence) {
  EXPECT_TRUE((Sequences{{1, 2}, {0, 2}, {0}, {}}.check()));
  EXPECT_TRUE((Sequences{{1, 2}, {0, 2}, {}, {1, 2}}.check()));
  EXPECT_TRUE((Sequences{{1, 2}, {0, 2}, {}, {-1}}.check()));
}

}  // namespace
}  // namespace sparse_rerank
