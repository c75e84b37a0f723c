#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "index/calibration.h"
#include "index/merged_terms.h"
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
  [[nodiscard]] Result<std::optional<Attribute>> next_attribute() override;
  [[nodiscard]] TermSource* terms() override { return merged_terms_ ? &*merged_terms_ : nullptr; }

  [[nodiscard]] const std::vector<IndexSegment>& segments() const { return segments_; }
  /// Where each document comes from; `segment` counts among segments().
  [[nodiscard]] const std::vector<Location>& origins() const { return origins_; }

 private:
  std::vector<IndexSegment> segments_;
  std::vector<Location> origins_;
  std::vector<std::uint32_t> terms_;
  std::optional<MergedTerms> merged_terms_;  // when all segments have a lexical side

  /// The attributes of one segment, as they are merged.
  struct AttributeCursor {
    const Segment* segment;
    /// [segment's documents]: their new numbers; kGone for those removed.
    std::vector<std::uint32_t> numbers;
    std::size_t next = 0;
  };
  [[nodiscard]] std::vector<AttributeCursor> attribute_cursors() const;

  std::optional<std::vector<AttributeCursor>> cursors_;  // once the first attribute was asked for
  std::vector<std::uint32_t> documents_;                 // of the attribute
};

/// Writes and calibrates one segment step by step, in memory or in a file. The file is removed unless the segment is taken.
class SegmentBuild {
 public:
  /// @param source must outlive the build
  /// @param path of the file; empty for memory. A file that exists is replaced.
  static Result<std::unique_ptr<SegmentBuild>> begin(RowSource& source, const IndexSettings& settings, const std::string& path);
  SegmentBuild(const SegmentBuild&) = delete;
  SegmentBuild& operator=(const SegmentBuild&) = delete;
  ~SegmentBuild();

  /// Some tenths of a second at most. True when the segment is complete. Errors: those of the source and of writing files.
  [[nodiscard]] Result<bool> step();
  /// The segment, once, after the last step.
  [[nodiscard]] std::shared_ptr<const Segment> take();

 private:
  SegmentBuild(RowSource& source, const IndexSettings& settings, std::string path, std::unique_ptr<SegmentSink> sink)
      : path_(std::move(path)), sink_(std::move(sink)), writer_(settings, source, *sink_) {}

  [[nodiscard]] Status open();
  [[nodiscard]] Status keep_levels();

  const std::string path_;
  const std::unique_ptr<SegmentSink> sink_;
  SegmentWriter writer_;
  std::shared_ptr<Segment> segment_;
  std::unique_ptr<Calibration> calibration_;
  bool taken_ = false;
};

/// Writes segments into one. Parameters, steps and errors as for a build.
class SegmentMerge {
 public:
  static Result<std::unique_ptr<SegmentMerge>> begin(std::vector<IndexSegment> segments, const IndexSettings& settings,
                                                     const std::string& path);

  [[nodiscard]] Result<bool> step() { return build_->step(); }
  [[nodiscard]] std::shared_ptr<const Segment> take() { return build_->take(); }
  [[nodiscard]] const MergedRows& rows() const { return rows_; }

 private:
  explicit SegmentMerge(std::vector<IndexSegment> segments) : rows_(std::move(segments)) {}

  MergedRows rows_;
  std::unique_ptr<SegmentBuild> build_;
};

/// Builds one segment of `source` at once.
[[nodiscard]] Result<std::shared_ptr<const Segment>> build_segment(RowSource& source, const IndexSettings& settings,
                                                                   const std::string& path);

}  // namespace sparse_rerank
