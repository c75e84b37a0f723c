#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/filter.h"
#include "index/removed_terms.h"
#include "index/screen_plan.h"
#include "index/search_scratch.h"
#include "index/segment.h"

namespace sparse_rerank {

/// A segment of an index and which of its documents were removed.
struct IndexSegment {
  std::shared_ptr<const Segment> segment;
  /// Null for none.
  std::shared_ptr<const Bitmap> removed;
  std::uint32_t removed_count = 0;
  /// Names its file in a folder.
  std::uint64_t number = 0;
  /// Set when documents were removed and the segment has a lexical side.
  std::shared_ptr<const RemovedTerms> removed_terms = nullptr;

  /// Replaces what was removed, of which it is a part.
  /// @param bitmap not changed once the segment is read
  void set_removed(std::shared_ptr<const Bitmap> bitmap, std::uint32_t count);

  [[nodiscard]] bool is_removed(std::uint32_t document) const { return removed != nullptr && test_bit(*removed, document); }
  [[nodiscard]] std::uint32_t live() const { return segment->documents() - removed_count; }
};

/// Where a document lies.
struct Location {
  std::size_t segment;
  std::uint32_t document;
};

/// By segment, the documents that a search leaves out, removed ones included; null for none.
using Exclusions = std::vector<std::shared_ptr<const Bitmap>>;

/// How many hits a search is for, and which part of the exact search's it may leave out.
struct Wanted {
  std::size_t k;
  /// 1 for all of them. Less: segments are searched by their cheapest pruning that reached it when they were built.
  double recall = 1.0;
};

/// The contents of an index at one moment; never changes. Slots number the documents of all segments in insertion order. Any thread.
/// Errors of everything that reads: ERR_INDEX_CORRUPT.
struct Snapshot {
  IndexSettings settings;
  std::vector<IndexSegment> segments;

  /// For the beginning of every call that reads: refuses files that were written over since they were opened. One system call a file.
  [[nodiscard]] Status check_unchanged() const;

  [[nodiscard]] std::size_t documents() const;
  /// Removed ones included.
  [[nodiscard]] std::uint64_t slots() const;
  [[nodiscard]] Location locate(std::uint32_t slot) const;
  /// The document with this id that was not removed.
  [[nodiscard]] Result<std::optional<Location>> find(std::string_view id) const;

  /// The recall that searches for `recall` had when the segments were built, on average over their documents.
  [[nodiscard]] double reached(double recall) const;

  [[nodiscard]] Exclusions removed() const;
  /// What a search among the documents that pass leaves out.
  [[nodiscard]] Result<Exclusions> all_but(const FilterView& filter) const;
  /// The part of a segment; null when nothing is left out. @param filter may be null
  [[nodiscard]] Result<std::shared_ptr<const Bitmap>> excluded(const IndexSegment& segment, const FilterView* filter) const;

  /// The best hits, best first, equal scores in insertion order; search_exhaustively() defines score and hit.
  /// @param out replaced
  /// @param cancel may be null
  /// Errors also: ERR_ABORTED.
  [[nodiscard]] Status search(const SparseQuery& query, const Wanted& wanted, const Exclusions& exclusions, SearchScratch& scratch,
                              std::vector<Hit>& out, const std::atomic<bool>* cancel) const;
};

}  // namespace sparse_rerank
