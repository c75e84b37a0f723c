#include "index/exhaustive.h"

#include "index/cancel.h"

namespace sparse_rerank {

Status offer_document(const SegmentView& view, std::uint32_t document, SearchScratch& scratch) {
  ++scratch.rows_scored;
  const Result<float> score = view.segment.score(document, scratch.dense.data());
  if (!score) return score.error();
  if (score.value() < 0.0f || score.value() > 0.0f) scratch.top.offer({view.first_slot + document, score.value()});
  return std::nullopt;
}

Status search_exhaustively(const SegmentView& view, SearchScratch& scratch, const std::atomic<bool>* cancel) {
  constexpr std::uint32_t kDocumentsPerLook = 1024;
  for (std::uint32_t document = 0; document < view.segment.documents(); ++document) {
    if (document % kDocumentsPerLook == 0 && is_cancelled(cancel)) return aborted();
    if (view.excludes(document)) continue;
    if (Status error = offer_document(view, document, scratch)) return error;
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
