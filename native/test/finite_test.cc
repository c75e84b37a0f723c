#include "kernels/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The largest floats, with `value` at position `at`: tests try every position, so that the remainder of a vectorized loop is covered.
std::vector<float> with(float value, std::size_t at, std::size_t size) {
  std::vector<float> values(size, std::numeric_limits<float>::max());
  values[at] = value;
  return values;
}

TEST(Finite, FindsNaNAndInfinityAtEveryPlace) {
  constexpr std::size_t kSize = 37;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (const float value : {kNaN, -kNaN, kInfinity, -kInfinity}) EXPECT_FALSE(all_finite(with(value, i, kSize)));
    for (const float value : {kNaN, -kNaN, kInfinity}) EXPECT_FALSE(all_below_infinity(with(value, i, kSize)));
    for (const float value : {0.0f, -0.0f, -std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()}) {
      EXPECT_TRUE(all_finite(with(value, i, kSize)));
    }
    EXPECT_TRUE(all_below_infinity(with(-kInfinity, i, kSize)));
  }
  EXPECT_TRUE(all_finite({}));
}

TEST(Finite, ReadsEveryHalf) {
  for (unsigned bits = 0; bits < 0x10000U; ++bits) {
    const std::vector<std::uint16_t> halves{0, static_cast<std::uint16_t>(bits)};
    const bool is_nan = (bits & 0x7fffU) > 0x7c00U;
    EXPECT_EQ(all_below_infinity(halves), !is_nan && bits != 0x7c00U) << bits;
  }
}

}  // namespace
}  // namespace sparse_rerank
