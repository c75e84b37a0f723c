#pragma once

#include <atomic>

#include "core/result.h"
#include "index/screen_plan.h"
#include "index/search_scratch.h"

namespace sparse_rerank {

/// Offers the documents of a segment that may be among the best to scratch.top, whose k is not 0: the result is that of
/// search_exhaustively(), or with pruning most of it. Scores are exact either way.
///
/// Chunk by chunk, upper bounds of all documents' scores are added up from the quantized postings, in 16-bit integers; documents whose
/// bound reaches the k-th best score so far are scored exactly from the forward index, best bound first.
/// @param cancel may be null; looked at before each chunk
/// Errors: ERR_INDEX_CORRUPT, ERR_ABORTED.
[[nodiscard]] Status search_screened(const SegmentView& view, const SparseQuery& query, const Pruning& pruning, SearchScratch& scratch,
                                     const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
