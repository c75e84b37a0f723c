#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/search_scratch.h"
#include "index/snapshot.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// A query's terms, ascending by their bytes, and how often it has each. Points into the rows that it was made of.
struct LexicalQuery {
  std::vector<std::string_view> terms;
  std::vector<std::uint32_t> counts;
};
/// @param rows checked by validate()
[[nodiscard]] LexicalQuery lexical_query(const TermRowsView& rows, std::size_t row);

/// ERR_INVALID_ARGUMENT: there is nothing to search by terms.
[[nodiscard]] Error no_lexical_side();

/// What BM25 knows of the documents of a snapshot.
struct TermStatistics {
  std::uint64_t documents = 0;
  /// In terms; 0 without documents.
  double average_length = 0.0;
  /// By term of the query: documents that have it.
  std::vector<std::uint64_t> having;
  /// By segment and term: its ordinal there, or kNoOrdinal.
  std::vector<std::vector<std::uint32_t>> ordinals;
};
inline constexpr std::uint32_t kNoOrdinal = 0xffffffff;

/// Of documents that were not removed. @param snapshot of an index with a lexical side. Errors: ERR_INDEX_CORRUPT.
[[nodiscard]] Result<TermStatistics> term_statistics(const Snapshot& snapshot, const std::vector<std::string_view>& terms);

/// The best hits by BM25 (bm25.h has the definition), best first, equal scores in insertion order. Every document that has a term of the
/// query is a hit. Segment by segment, from bounds as search_chunks() describes: the impacts of lists are those at the average length when
/// the segment was built, and a factor makes bounds for today's of them.
/// @param k for all hits, as many as there are documents
/// @param out replaced
/// @param cancel may be null
/// Errors: ERR_INVALID_ARGUMENT for an index without a lexical side, ERR_INDEX_CORRUPT, ERR_ABORTED.
[[nodiscard]] Status search_terms(const Snapshot& snapshot, const LexicalQuery& query, std::size_t k, const Exclusions& exclusions,
                                  SearchScratch& scratch, std::vector<Hit>& out, const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
