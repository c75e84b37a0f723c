#pragma once

#include <atomic>
#include <vector>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/lexical_search.h"
#include "index/search_scratch.h"

/// All hits of a query in a segment, without their scores. `set` has a bit for each document and gains those of hits; ones that the view
/// excludes may be among them. `cancel` may be null. Errors: ERR_INDEX_CORRUPT, ERR_ABORTED.
namespace sparse_rerank {

/// @param scratch dense is the query's, see DenseQuery
[[nodiscard]] Status add_hits(const SegmentView& view, const SparseQuery& query, SearchScratch& scratch, Bitmap& set,
                              const std::atomic<bool>* cancel);

/// @param terms kNoOrdinal for one that the segment does not have
[[nodiscard]] Status add_hits(const SegmentTerms& lexical, const std::vector<std::uint32_t>& terms, Bitmap& set,
                              const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
