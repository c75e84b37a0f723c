#include "kernels/positive.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "inference/weights.h"
#include "kernels/kernels.h"

namespace sparse_rerank {
namespace {

SpladeRow plainly(const std::vector<float>& dense) {
  SpladeRow row;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    if (!(dense[i] > 0.0f)) continue;
    row.indices.push_back(static_cast<std::uint32_t>(i));
    row.values.push_back(dense[i]);
  }
  return row;
}

void expect_same(const SpladeRow& actual, const SpladeRow& expected) {
  EXPECT_EQ(actual.indices, expected.indices);
  ASSERT_EQ(actual.values.size(), expected.values.size());
  for (std::size_t i = 0; i < actual.values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(actual.values[i]), std::bit_cast<std::uint32_t>(expected.values[i]));
  }
}

TEST(TakePositive, FindsWhatAPlainLoopFindsAtEveryLength) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> kind(0, 40);
  const float special[] = {0.0f,
                           -0.0f,
                           std::numeric_limits<float>::denorm_min(),
                           -std::numeric_limits<float>::denorm_min(),
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN(),
                           -std::numeric_limits<float>::quiet_NaN()};
  for (std::size_t length = 0; length < 300; ++length) {
    std::vector<float> dense(length);
    for (float& value : dense) {
      const int chosen = kind(random);
      value = chosen < 8 ? special[chosen] : chosen < 12 ? static_cast<float>(chosen) / 7.0f : -static_cast<float>(chosen);
    }
    SpladeRow row;
    take_positive(dense, row);
    expect_same(row, plainly(dense));
  }
}

TEST(TakePositive, TakesEveryPositiveHalf) {
  std::vector<std::uint16_t> halves(1 << 16);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i * 40503);
  std::vector<float> widened(halves.size());
  kernels().widen_f16(halves.data(), halves.size(), widened.data());
  SpladeRow row;
  take_positive_halves(halves, row);
  expect_same(row, plainly(widened));
  EXPECT_EQ(row.indices.size(), 0x7c00U);
}

TEST(TakePositive, Appends) {
  SpladeRow row{{3}, {2.0f}, {}};
  take_positive_halves(std::vector<std::uint16_t>{0x8000, half_of(1.5f)}, row);
  EXPECT_EQ(row.indices, (std::vector<std::uint32_t>{3, 1}));
  EXPECT_EQ(row.values, (std::vector<float>{2.0f, 1.5f}));
}

TEST(Activate, IsTheLogarithmOfEachLogit) {
  std::vector<float> values = {0.5f, 3.0f};
  activate(values, SpladeActivation::kRelu);
  EXPECT_FLOAT_EQ(values[1], std::log1p(3.0f));
  values = {0.5f, 3.0f};
  activate(values, SpladeActivation::kLog1pRelu);
  EXPECT_FLOAT_EQ(values[0], std::log1p(std::log1p(0.5f)));
}

}  // namespace
}  // namespace sparse_rerank
