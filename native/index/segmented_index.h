#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/result.h"
#include "index/index_folder.h"
#include "index/segment_merge.h"
#include "index/snapshot.h"
#include "index/sparse_rows.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// Documents as they are added: row i has id i and, if there are any, stored bytes i. Attributes may be empty altogether.
struct DocumentBatch {
  SparseRowsView rows;
  /// Distinct.
  StringsView ids;
  /// Empty, or one for each row.
  StringsView stored;
  AttributesView attributes = {};
  /// One row for each document. Set when the index has a lexical side, and only then.
  std::optional<TermRowsView> terms = std::nullopt;
};

/// Those that users are told of.
inline constexpr std::array kRecallTargets = {0.9, 0.95, 0.99};

struct IndexStats {
  /// Added and not removed.
  std::size_t documents;
  /// Weights held, those of removed documents included until their segment is merged.
  std::uint64_t postings;
  /// Bytes of all segments, in memory or mapped.
  std::uint64_t bytes;
  /// The part of them that every search may read. The rest is read for candidates and hits, so a mapped file can leave it on disk.
  std::uint64_t hot_bytes;
  std::size_t segments;
  /// By target: see Snapshot::reached().
  std::array<double, kRecallTargets.size()> reached;
};

enum class MergeStep { kNothing, kMore, kMerged };

/// A sparse index: immutable segments, of which every change that adds documents makes one and merges make few. Any thread: searches take a
/// snapshot() and never wait; changes run one after the other and each becomes visible wholly or not at all. A call that fails changes
/// nothing.
class SegmentedIndex {
 public:
  /// An empty index in memory. @param settings dimension at most kMaxDimension; lexical valid()
  static std::shared_ptr<SegmentedIndex> create(const IndexSettings& settings);
  static std::shared_ptr<SegmentedIndex> create(std::size_t dimension) { return create(IndexSettings{dimension, std::nullopt}); }

  struct OpenOptions {
    /// Creates a folder's index where there is none; else it must be the index's.
    std::optional<std::size_t> dimension;
    /// Changes are refused, and a folder that a writer has open can be read: as it was at this moment.
    bool read_only = false;
    /// The lexical side of an index that is created; else it must be the index's.
    std::optional<Bm25> lexical = std::nullopt;
  };
  /// A file of save(), whose changes stay in memory, or a durable folder.
  /// Errors: those of Segment::open() and IndexFolder::open(), ERR_DIMENSION_MISMATCH, ERR_INVALID_ARGUMENT.
  static Result<std::shared_ptr<SegmentedIndex>> open(const std::string& path, const OpenOptions& options);

  [[nodiscard]] const IndexSettings& settings() const { return settings_; }
  [[nodiscard]] std::size_t dimension() const { return settings_.dimension; }

  /// Removes documents, unknown ids passed over, then adds some, which replace those that had their ids: all of it or nothing. Once it
  /// returns it is durable, in a folder. Returns how many documents were removed that the added ones do not replace.
  /// @param added may be null
  /// Errors: those of validate(), ERR_INVALID_ARGUMENT, ERR_TOO_LARGE, ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
  [[nodiscard]] Result<std::size_t> apply(const StringsView& removed, const DocumentBatch* added);
  [[nodiscard]] Status add(const DocumentBatch& batch);
  [[nodiscard]] Result<std::size_t> remove(const StringsView& ids) { return apply(ids, nullptr); }
  /// Removes the documents that pass, and returns how many there were. Errors as apply().
  [[nodiscard]] Result<std::size_t> remove_matching(const FilterView& filter);

  /// Makes the snapshot what a folder that was opened to read holds now, and returns whether that is something else. Segments that are
  /// still part of it stay open. After an error the snapshot stays. Errors: those of open(), ERR_DISPOSED.
  [[nodiscard]] Result<bool> refresh();

  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  [[nodiscard]] IndexStats stats() const;

  /// Some tenths of a second of merging at most, with little memory: begins a merge if one is due, or goes on with the one begun.
  /// @param everything merges all segments into one and drops what was removed, even if that is not due
  /// Errors end the merge and leave the index as it was: ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT.
  [[nodiscard]] Result<MergeStep> merge_step(bool everything);

  /// Waits for the change in progress, refuses later ones with ERR_DISPOSED, and lets go of the folder. Snapshots stay readable.
  void close();

 private:
  SegmentedIndex(Snapshot snapshot, std::optional<IndexFolder> folder, bool read_only, std::string read_folder);

  [[nodiscard]] Status check_open() const;
  [[nodiscard]] Status check_writable() const;
  [[nodiscard]] Status check_batch(const DocumentBatch& batch) const;
  /// A path for a new segment, empty in memory; `number` names it.
  [[nodiscard]] std::string next_path(std::uint64_t& number);
  /// Makes `next` the contents, on disk first. Segments in it that the current contents do not have were written before.
  [[nodiscard]] Status publish(Snapshot next);
  /// publish(), without the segments of which nothing is left, unless a merge is at work. Drops their files too.
  [[nodiscard]] Status publish_removals(Snapshot next);
  [[nodiscard]] Status begin_merge(bool everything);
  [[nodiscard]] Status install_merge(SegmentMerge& merge);

  const IndexSettings settings_;
  const bool read_only_;
  const std::string read_folder_;  // what refresh() reads; may be empty

  std::mutex change_mutex_;  // held by changes, file work included
  std::optional<IndexFolder> folder_;
  bool closed_ = false;

  std::mutex merge_mutex_;  // held before change_mutex_
  std::unique_ptr<SegmentMerge> merge_;
  std::uint64_t merge_number_ = 0;

  mutable std::mutex snapshot_mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace sparse_rerank
