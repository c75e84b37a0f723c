#pragma once

#include <cstdint>
#include <span>

namespace sparse_rerank {

/// Whether every value is finite. As fast as reading memory: the loop has no branch, so compilers vectorize it.
bool all_finite(std::span<const float> values);

/// Whether every value is below +infinity and none is NaN; -infinity passes, since ReLU maps it to zero.
bool all_below_infinity(std::span<const float> values);

/// Like the overload above, for IEEE binary16.
bool all_below_infinity(std::span<const std::uint16_t> halves);

}  // namespace sparse_rerank
