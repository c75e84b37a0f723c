#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "index/row_source.h"
#include "index/segment_writer.h"
#include "index/snapshot.h"

namespace sparse_rerank {

/// The documents of some segments, in order, without the removed ones. Errors: those of reading segments, ERR_INDEX_CORRUPT.
class MergedRows final : public RowSource {
 public:
  explicit MergedRows(std::vector<IndexSegment> segments);

  [[nodiscard]] std::uint32_t documents() const override { return static_cast<std::uint32_t>(origins_.size()); }
  [[nodiscard]] Result<SparseRow> row(std::uint32_t document) override;
  [[nodiscard]] Result<std::string_view> id(std::uint32_t document) override;
  [[nodiscard]] Result<std::span<const std::byte>> stored(std::uint32_t document) override;

  [[nodiscard]] const std::vector<IndexSegment>& segments() const { return segments_; }
  /// Where each document comes from; `segment` counts among segments().
  [[nodiscard]] const std::vector<Location>& origins() const { return origins_; }

 private:
  std::vector<IndexSegment> segments_;
  std::vector<Location> origins_;
  std::vector<std::uint32_t> terms_;
};

/// Writes segments into one, in memory or into a file, step by step.
class SegmentMerge {
 public:
  /// @param path of the file; empty for memory. A file that exists is replaced; without the last step nothing is kept.
  static Result<std::unique_ptr<SegmentMerge>> begin(std::vector<IndexSegment> segments, std::size_t dimension, const std::string& path);

  /// True when the segment is complete. Errors: those of reading segments and of writing files.
  [[nodiscard]] Result<bool> step() { return writer_->step(); }
  /// The new segment, once, after the last step. Null when no document is left.
  [[nodiscard]] Result<std::shared_ptr<const Segment>> take();
  [[nodiscard]] const MergedRows& rows() const { return rows_; }

 private:
  explicit SegmentMerge(std::vector<IndexSegment> segments) : rows_(std::move(segments)) {}

  MergedRows rows_;
  std::string path_;
  std::unique_ptr<SegmentSink> sink_;
  std::unique_ptr<SegmentWriter> writer_;
};

/// Builds one segment of `source` at once. Parameters, result and errors as for a merge.
[[nodiscard]] Result<std::shared_ptr<const Segment>> build_segment(RowSource& source, std::size_t dimension, const std::string& path);

}  // namespace sparse_rerank
