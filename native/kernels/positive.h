#pragma once

#include <cstdint>
#include <span>

#include "kernels/splade_head.h"

namespace sparse_rerank {

/// Appends the entries of a dense row that are above zero; NaN is not. Most blocks of a row have none, and are skipped at memory
/// speed: comparing them as integers is a loop that compilers vectorize.
void take_positive(std::span<const float> dense, SpladeRow& row);

/// Like take_positive(), for a row of IEEE binary16; only what is taken is widened.
void take_positive_halves(std::span<const std::uint16_t> dense, SpladeRow& row);

}  // namespace sparse_rerank
