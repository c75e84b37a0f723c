#include "index/screened_search.h"

#include "index/exhaustive.h"
#include "index/screened_chunks.h"

namespace sparse_rerank {

namespace {

/// The vectors of a segment.
struct VectorField {
  const SegmentView& view;

  [[nodiscard]] std::span<const Chunk> chunks() const { return view.segment.chunks(); }
  [[nodiscard]] Result<Postings> postings(std::size_t chunk, std::size_t ordinal) const { return view.segment.postings(chunk, ordinal); }
  void prefetch_row(std::uint32_t document) const { view.segment.prefetch_row(document); }
  [[nodiscard]] Status offer(std::uint32_t document, SearchScratch& scratch) const { return offer_document(view, document, scratch); }
};

}  // namespace

Status search_screened(const SegmentView& view, const SparseQuery& query, const Pruning& pruning, SearchScratch& scratch,
                       const std::atomic<bool>* cancel) {
  const Result<std::optional<ScreenPlan>> made = ScreenPlan::make(view.segment, query, pruning);
  if (!made) return made.error();
  const std::optional<ScreenPlan>& plan = made.value();
  if (!plan) return search_exhaustively(view, scratch, cancel);
  return search_chunks(VectorField{view}, view.excluded, *plan, scratch, cancel);
}

}  // namespace sparse_rerank
