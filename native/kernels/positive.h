#pragma once

#include <cstdint>
#include <span>

#include "kernels/splade_head.h"

namespace sparse_rerank {

/// Appends the entries of a dense row that are above zero; NaN is not. Most blocks of a row have none, and are passed over at the speed of
/// memory: comparing them as integers is a loop that compilers turn into SIMD by themselves.
void take_positive(std::span<const float> dense, SpladeRow& row);

/// The same for a row of IEEE binary16, of which only what is taken is widened.
void take_positive_halves(std::span<const std::uint16_t> dense, SpladeRow& row);

}  // namespace sparse_rerank
