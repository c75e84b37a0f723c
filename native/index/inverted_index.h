#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "index/exhaustive.h"
#include "index/posting_block.h"
#include "index/sparse_rows.h"
#include "index/topk.h"

namespace sparse_rerank {

/// Memory that searches of one thread use again and again.
struct SearchScratch {
  AlignedBuffer<float> scores;
  std::vector<QueryList> lists;
  TopK top;
};

struct IndexStats {
  /// Added and not removed.
  std::size_t documents;
  /// Weights stored, those of removed documents included until compact().
  std::size_t postings;
  /// Memory held for postings and bookkeeping, spare capacity included; not the allocator's own overhead.
  std::size_t bytes;
};

/// An in-memory inverted index over document slots 0, 1, 2, … in insertion order. Weights may be negative; zero weights are not stored.
///
/// Any thread: searches run side by side; add, remove and compact wait for running searches and run alone, so that a search sees each of
/// them wholly or not at all.
class InvertedIndex {
 public:
  /// Published vocabularies end at 262,144. An open block's table reaches up to the largest term seen, 48 bytes each: 200 MB at this limit.
  static constexpr std::size_t kMaxDimension = std::size_t{1} << 22;
  /// Slots given out between two calls of compact().
  static constexpr std::size_t kMaxSlots = std::numeric_limits<std::uint32_t>::max() - std::size_t{1};

  /// @param dimension at most kMaxDimension
  explicit InvertedIndex(std::size_t dimension) : dimension_(dimension) {}

  [[nodiscard]] std::size_t dimension() const { return dimension_; }

  /// Appends documents, all or none. Returns the slot of the first.
  /// Errors: those of validate(); ERR_TOO_LARGE beyond kMaxSlots.
  [[nodiscard]] Result<std::uint32_t> add(const SparseRowsView& rows);

  /// Removed documents are no hits any more; their memory stays until compact(). A slot that was removed before is fine.
  /// Errors: ERR_INVALID_ARGUMENT for a slot that was never given out, and then nothing is removed.
  [[nodiscard]] Status remove(std::span<const std::uint32_t> slots);

  /// The best `k` hits, best first, equal scores in insertion order; score_exhaustively() defines score and hit.
  /// @param terms strictly ascending; one beyond the dimension matches nothing
  /// @param weights [terms], finite
  /// @param out replaced
  /// @param cancel may be null; looked at before each block of documents
  /// Errors: ERR_ABORTED when cancelled.
  [[nodiscard]] Status search(std::span<const std::uint32_t> terms, std::span<const float> weights, std::size_t k, SearchScratch& scratch,
                              std::vector<Hit>& out, const std::atomic<bool>* cancel) const;

  /// Drops removed documents and renumbers the others in order; returns the old slot of every new slot. Needs memory for a second index
  /// while it works.
  [[nodiscard]] Result<std::vector<std::uint32_t>> compact();

  /// Never waits for other calls: the state after the last change.
  [[nodiscard]] IndexStats stats() const;

 private:
  [[nodiscard]] std::shared_lock<std::shared_mutex> lock_to_read() const;
  [[nodiscard]] std::unique_lock<std::shared_mutex> lock_to_write();
  void publish_stats();

  template <typename Block>
  void search_block(const Block& block, BlockRange range, std::span<const std::uint32_t> terms, std::span<const float> weights,
                    SearchScratch& scratch) const;

  const std::size_t dimension_;

  // Guarded by mutex_. Slot s is document s % kBlockDocuments of block s / kBlockDocuments; open_ is the last block and never full.
  std::vector<SealedBlock> sealed_;
  OpenBlock open_;
  std::vector<bool> removed_;  // by slot
  std::size_t removed_count_ = 0;

  mutable std::shared_mutex mutex_;
  // Held by whoever waits for mutex_: glibc's lock lets new readers overtake a waiting writer without end.
  mutable std::mutex entrance_;

  mutable std::mutex stats_mutex_;
  IndexStats stats_{};
};

}  // namespace sparse_rerank
