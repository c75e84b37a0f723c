#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/lexical_search.h"
#include "index/snapshot.h"

/// What a snapshot holds, without scores. A filter may be null for all documents, `cancel` for never. Errors: ERR_INDEX_CORRUPT,
/// ERR_ABORTED.
namespace sparse_rerank {

/// Documents that pass, in insertion order, after the one with the id `after`. Errors also: ERR_INVALID_ARGUMENT when there is none.
[[nodiscard]] Result<std::vector<Location>> list_documents(const Snapshot& snapshot, const FilterView* filter,
                                                           std::optional<std::string_view> after, std::size_t limit,
                                                           const std::atomic<bool>* cancel);

[[nodiscard]] Result<std::uint64_t> count_documents(const Snapshot& snapshot, const FilterView* filter, const std::atomic<bool>* cancel);

struct Facet {
  std::string name;
  std::uint64_t count;
};

struct FacetRequest {
  /// Of the attributes' names.
  std::string_view prefix;
  /// Facets at most.
  std::size_t limit;
  const FilterView* filter = nullptr;
  /// When given, only hits of one of them count: all hits, however many.
  std::optional<SparseQuery> query = std::nullopt;
  std::optional<LexicalQuery> terms = std::nullopt;
  /// The name of an attribute. When given, a document that has it counts once for itself and for those up to the next that has it, if
  /// one of them would count: rows that are parts of one whole are counted as the whole, by its first row.
  std::optional<std::string_view> heads = std::nullopt;
};

/// How many documents have each attribute: the largest counts first, equal ones by name. Attributes that none has are left out.
/// Errors also: ERR_INVALID_ARGUMENT for terms where there is no lexical side.
[[nodiscard]] Result<std::vector<Facet>> count_facets(const Snapshot& snapshot, const FacetRequest& request, SearchScratch& scratch,
                                                      const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
