#pragma once

#include <atomic>

#include "core/result.h"
#include "index/search_scratch.h"

namespace sparse_rerank {

/// Offers most of the documents of a segment that are among the best to scratch.top, whose k is not 0, in a time that does not grow with
/// the segment. Scores are exact.
///
/// The impact-ordered lists of the query's terms are read in descending order of what a posting contributes, until the level's budget is
/// spent (score-at-a-time with a budget: JASS, Lin & Trotman, ICTIR 2015). Documents whose sum comes near the k-th best score are scored
/// exactly from the forward index, best sum first (as SINDI, 2025, does after its pruned lists).
/// @param level one of the segment's, which has_impacts()
/// @param cancel may be null; looked at before the lists are read and before documents are scored
/// Settles with false, with nothing offered, where another search has to do it: for queries or weights below zero, for so many hits or of
/// so few documents that pass the filter that the budget would not reach them.
/// Errors: ERR_INDEX_CORRUPT, ERR_ABORTED.
[[nodiscard]] Result<bool> search_impacts(const SegmentView& view, const SparseQuery& query, const ImpactLevel& level,
                                          SearchScratch& scratch, const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
