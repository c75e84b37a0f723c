#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/aligned_buffer.h"
#include "index/segment.h"
#include "index/topk.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

/// A query: terms strictly ascending, weights finite.
struct SparseQuery {
  std::span<const std::uint32_t> terms;
  std::span<const float> weights;
};

/// Memory that searches of one thread use again and again, and the best hits so far.
struct SearchScratch {
  /// By term: the query's weight, zero for all other terms. At least dense_size() of every segment searched.
  std::vector<float> dense;
  /// By document of a chunk.
  AlignedBuffer<std::uint16_t> bounds;
  /// By group of a chunk: no bound of its documents is larger.
  std::vector<std::uint16_t> maxima;
  std::vector<MaskedList> masked_lists;
  std::vector<std::uint16_t> sorted_bounds;
  std::vector<std::uint32_t> candidates;
  TopK top;
  /// Rows whose exact score was computed: what pruning left.
  std::uint64_t rows_scored = 0;
};

/// Sets the query's weights in scratch.dense, and puts zeros back at its end.
class DenseQuery {
 public:
  /// @param size dense_size() of the segments
  /// @param dense zeros
  DenseQuery(const SparseQuery& query, std::size_t size, std::vector<float>& dense) : query_(query), dense_(dense) {
    if (dense_.size() < size) dense_.resize(size);
    for (std::size_t i = 0; i < query.terms.size(); ++i) dense_[query.terms[i]] = query.weights[i];
  }
  DenseQuery(const DenseQuery&) = delete;
  DenseQuery& operator=(const DenseQuery&) = delete;
  ~DenseQuery() {
    for (const std::uint32_t term : query_.terms) dense_[term] = 0.0f;
  }

 private:
  const SparseQuery& query_;
  std::vector<float>& dense_;
};

/// One segment of an index, as a search sees it.
struct SegmentView {
  const Segment& segment;
  /// The slot of its first document.
  std::uint32_t first_slot;
  /// Bit i: document i is no hit, because it was removed or a filter leaves it out. Null for none.
  const std::uint64_t* excluded;

  [[nodiscard]] bool excludes(std::uint32_t document) const {
    return excluded != nullptr && (excluded[document / 64] >> (document % 64) & 1) != 0;
  }
};

/// Scores a document exactly and offers it to scratch.top if it is a hit. Errors: those of Segment::score().
[[nodiscard]] Status offer_document(const SegmentView& view, std::uint32_t document, SearchScratch& scratch);

}  // namespace sparse_rerank
