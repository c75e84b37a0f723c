#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparse_rerank {

/// One bit for each document of a segment, in words of 64.
using Bitmap = std::vector<std::uint64_t>;

inline std::size_t bitmap_words(std::size_t bits) {
  return (bits + 63) / 64;
}
inline bool test_bit(const Bitmap& bitmap, std::size_t bit) {
  return (bitmap[bit / 64] >> (bit % 64) & 1) != 0;
}
inline void set_bit(Bitmap& bitmap, std::size_t bit) {
  bitmap[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

}  // namespace sparse_rerank
