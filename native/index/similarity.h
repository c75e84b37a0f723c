#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "index/sparse_rows.h"

namespace sparse_rerank {

/// The similarity functions of sentence-transformers. Distances are negated, so that more is always more similar.
enum class SimilarityFunction {
  /// Equals the index's score of the two rows bit for bit (see score_exhaustively()); +0 without a common term.
  kDot,
  /// The dot product divided by both norms; 0 when a row is all zero.
  kCosine,
  /// The differences are summed in double precision: expanding the square, as the reference does in fp32, loses small distances.
  kEuclidean,
  kManhattan,
};

/// "dot", "cosine", "euclidean" or "manhattan".
[[nodiscard]] std::optional<SimilarityFunction> similarity_function(std::string_view name);

/// Similarities of rows [first, last) of `a` with all rows of `b`: out[i * b.rows() + j] for these i. Other elements are left alone, so
/// that tasks with ranges of their own can share `out`. Uses `dimension` floats of memory.
/// @param a, b checked by validate() with `dimension`
/// @param out [a.rows(), b.rows()] row-major
void similarity(SimilarityFunction function, const SparseRowsView& a, const SparseRowsView& b, std::size_t dimension, std::size_t first,
                std::size_t last, float* out);

/// out[i] = similarity of row i of `a` and row i of `b` for i in [first, last), the same values as similarity().
/// @param a, b as many rows, checked by validate() with `dimension`
/// @param out [a.rows()]
void similarity_pairwise(SimilarityFunction function, const SparseRowsView& a, const SparseRowsView& b, std::size_t dimension,
                         std::size_t first, std::size_t last, float* out);

}  // namespace sparse_rerank
