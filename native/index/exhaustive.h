#pragma once

#include <atomic>

#include "core/result.h"
#include "index/search_scratch.h"

namespace sparse_rerank {

/// Offers every document of a segment to scratch.top, whose k is not 0.
///
/// This is the definition of an exact result: a score is the sum, from +0 and for the query's terms in ascending order, of the products of
/// query weight and document weight, each product and each sum rounded to float32. A hit is a document whose score is not zero. So a
/// document without a common term is no hit, and neither is one whose products cancel out or underflow to zero. NaN, which only weights
/// above 1e19 of both signs can give, has no place in an order and is no hit either; infinite scores are.
///
/// Other algorithms fall back to it where negative weights leave them no bounds.
/// @param cancel may be null
/// Errors: ERR_INDEX_CORRUPT, ERR_ABORTED.
[[nodiscard]] Status search_exhaustively(const SegmentView& view, SearchScratch& scratch, const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
