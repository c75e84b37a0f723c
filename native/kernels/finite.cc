#include "kernels/finite.h"

#include <limits>

namespace sparse_rerank {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

bool all_finite(std::span<const float> values) {
  bool bad = false;
  // Every comparison with NaN is false.
  for (const float value : values) bad |= !(-kInfinity < value && value < kInfinity);
  return !bad;
}

bool all_below_infinity(std::span<const float> values) {
  bool bad = false;
  for (const float value : values) bad |= !(value < kInfinity);
  return !bad;
}

bool all_below_infinity(std::span<const std::uint16_t> halves) {
  constexpr unsigned kPositiveInfinity = 0x7c00;
  constexpr unsigned kNegativeInfinity = 0xfc00;
  bool bad = false;
  for (const unsigned bits : halves) bad |= (bits & 0x7fffU) >= kPositiveInfinity && bits != kNegativeInfinity;
  return !bad;
}

}  // namespace sparse_rerank
