#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"

namespace sparse_rerank {

/// Published vocabularies end at 262,144. Searches and similarities keep dense rows: 16 MiB each at this limit.
inline constexpr std::size_t kMaxDimension = std::size_t{1} << 22;

/// One sparse row: indices strictly ascending, as many values.
struct SparseRow {
  std::span<const std::uint32_t> indices;
  std::span<const float> values;
};

/// Compressed sparse rows, borrowed: row i is [indptr[i], indptr[i + 1]) of `indices` and `values`.
struct SparseRowsView {
  std::span<const std::uint32_t> indptr;
  std::span<const std::uint32_t> indices;
  std::span<const float> values;

  [[nodiscard]] std::size_t rows() const { return indptr.empty() ? 0 : indptr.size() - 1; }

  [[nodiscard]] SparseRow row(std::size_t i) const {
    const std::size_t length = indptr[i + 1] - indptr[i];
    return {indices.subspan(indptr[i], length), values.subspan(indptr[i], length)};
  }

  /// Rows [first, first + count). Their indptr keeps the offsets of the whole, so row() works on the result and validate() does not.
  [[nodiscard]] SparseRowsView slice(std::size_t first, std::size_t count) const {
    return {indptr.subspan(first, count + 1), indices, values};
  }
};

/// Whether every row can be read: indptr starts at 0, never descends and ends at the number of indices, which is the number of values; in
/// each row the indices ascend strictly below `dimension` and the values are finite. Zero and negative values are fine. Everything in this
/// folder that takes rows relies on it. Errors: ERR_DIMENSION_MISMATCH for an index beyond `dimension`, ERR_INVALID_ARGUMENT for all else,
/// with the row and the position in it.
[[nodiscard]] Status validate(const SparseRowsView& rows, std::size_t dimension);

}  // namespace sparse_rerank
