#include "kernels/positive.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

constexpr std::size_t kBlock = 64;

/// Calls take(i) for each element whose bits, read as a signed integer, are above zero and at most `infinity`: positive numbers as floats.
template <typename Integer>
void for_each_positive(const void* data, std::size_t count, Integer infinity, auto take) {
  const auto* const bytes = static_cast<const std::byte*>(data);
  Integer block[kBlock];
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t n = std::min(kBlock, count - begin);
    // Of fixed size, so that it stays in registers.
    if (n == kBlock) {
      std::memcpy(block, bytes + begin * sizeof(Integer), sizeof(block));
    } else {
      std::fill_n(block, kBlock, Integer{0});
      std::memcpy(block, bytes + begin * sizeof(Integer), n * sizeof(Integer));
    }
    Integer largest = 0;
    for (const Integer bits : block) largest = bits > largest ? bits : largest;
    if (largest == 0) continue;
    for (std::size_t i = 0; i < n; ++i) {
      if (block[i] > 0 && block[i] <= infinity) take(begin + i);
    }
  }
}

}  // namespace

void take_positive(std::span<const float> dense, SpladeRow& row) {
  for_each_positive<std::int32_t>(dense.data(), dense.size(), 0x7f800000, [&](std::size_t i) {
    row.indices.push_back(static_cast<std::uint32_t>(i));
    row.values.push_back(dense[i]);
  });
}

void take_positive_halves(std::span<const std::uint16_t> dense, SpladeRow& row) {
  thread_local std::vector<std::uint16_t> taken;
  taken.clear();
  for_each_positive<std::int16_t>(dense.data(), dense.size(), 0x7c00, [&](std::size_t i) {
    row.indices.push_back(static_cast<std::uint32_t>(i));
    taken.push_back(dense[i]);
  });
  const std::size_t before = row.values.size();
  row.values.resize(before + taken.size());
  kernels().widen_f16(taken.data(), taken.size(), row.values.data() + before);
}

}  // namespace sparse_rerank
