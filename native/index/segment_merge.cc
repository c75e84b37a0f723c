#include "index/segment_merge.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sparse_rerank {

namespace {

/// The new number of a document that is not merged.
constexpr std::uint32_t kGone = std::numeric_limits<std::uint32_t>::max();

Result<std::unique_ptr<SegmentSink>> make_sink(const std::string& path) {
  if (path.empty()) return std::unique_ptr<SegmentSink>(std::make_unique<MemorySink>());
  Result<FileWriter> file = FileWriter::create(path);
  if (!file) return std::move(file).error();
  return std::unique_ptr<SegmentSink>(std::make_unique<FileSink>(std::move(file).value()));
}

}  // namespace

MergedRows::MergedRows(std::vector<IndexSegment> segments) : segments_(std::move(segments)) {
  std::size_t live = 0;
  for (const IndexSegment& segment : segments_) live += segment.live();
  origins_.reserve(live);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    for (std::uint32_t document = 0; document < segments_[i].segment->documents(); ++document) {
      if (!segments_[i].is_removed(document)) origins_.push_back({i, document});
    }
  }
  const bool lexical =
      std::all_of(segments_.begin(), segments_.end(), [](const IndexSegment& segment) { return segment.segment->lexical() != nullptr; });
  if (lexical) merged_terms_.emplace(segments_, origins_);
}

Result<SparseRow> MergedRows::row(std::uint32_t document) {
  const auto [segment, place] = origins_[document];
  return segments_[segment].segment->row(place, terms_);
}

Result<std::string_view> MergedRows::id(std::uint32_t document) {
  const auto [segment, place] = origins_[document];
  return segments_[segment].segment->id(place);
}

Result<std::span<const std::byte>> MergedRows::stored(std::uint32_t document) {
  const auto [segment, place] = origins_[document];
  return segments_[segment].segment->stored(place);
}

std::vector<MergedRows::AttributeCursor> MergedRows::attribute_cursors() const {
  std::vector<AttributeCursor> cursors;
  std::uint32_t number = 0;
  for (const IndexSegment& from : segments_) {
    AttributeCursor cursor = {from.segment.get(), {}};
    if (from.segment->attributes() > 0) {
      cursor.numbers.resize(from.segment->documents(), kGone);
      for (std::uint32_t document = 0; document < from.segment->documents(); ++document) {
        if (!from.is_removed(document)) cursor.numbers[document] = number++;
      }
      cursors.push_back(std::move(cursor));
    } else {
      number += from.live();
    }
  }
  return cursors;
}

Result<std::optional<Attribute>> MergedRows::next_attribute() {
  if (!cursors_) cursors_ = attribute_cursors();
  while (true) {
    std::optional<std::string_view> least;
    for (const AttributeCursor& cursor : *cursors_) {
      if (cursor.next == cursor.segment->attributes()) continue;
      const Result<std::string_view> name = cursor.segment->attribute_name(cursor.next);
      if (!name) return name.error();
      if (!least || name.value() < *least) least = name.value();
    }
    if (!least) return std::optional<Attribute>();
    documents_.clear();
    for (AttributeCursor& cursor : *cursors_) {
      if (cursor.next == cursor.segment->attributes()) continue;
      const Result<std::string_view> name = cursor.segment->attribute_name(cursor.next);
      if (!name) return name.error();
      if (name.value() != *least) continue;
      const auto documents = cursor.segment->attribute_documents(cursor.next++);
      if (!documents) return documents.error();
      for (const std::uint32_t document : documents.value()) {
        if (const std::uint32_t number = cursor.numbers[document]; number != kGone) documents_.push_back(number);
      }
    }
    if (!documents_.empty()) return std::optional(Attribute{*least, documents_});
  }
}

Result<std::unique_ptr<SegmentBuild>> SegmentBuild::begin(RowSource& source, const IndexSettings& settings, const std::string& path) {
  auto sink = make_sink(path);
  if (!sink) return std::move(sink).error();
  return std::unique_ptr<SegmentBuild>(new SegmentBuild(source, settings, path, std::move(sink).value()));
}

SegmentBuild::~SegmentBuild() {
  if (taken_ || path_.empty()) return;
  calibration_.reset();
  segment_.reset();
  remove_file(path_);
}

Result<bool> SegmentBuild::step() {
  if (segment_ == nullptr) {
    Result<bool> written = writer_.step();
    if (!written || !written.value()) return written;
    if (Status error = open()) return *std::move(error);
    if (segment_->documents() < Calibration::kLeastDocuments) return true;
    calibration_ = std::make_unique<Calibration>(*segment_);
    return false;
  }
  Result<bool> calibrated = calibration_->step();
  if (!calibrated || !calibrated.value()) return calibrated;
  if (Status error = keep_levels()) return *std::move(error);
  return true;
}

Status SegmentBuild::open() {
  auto opened =
      path_.empty() ? Segment::from_memory(std::move(static_cast<MemorySink&>(*sink_).bytes), sink_->footer()) : Segment::open(path_);
  if (!opened) return std::move(opened).error();
  segment_ = std::move(opened).value();
  return std::nullopt;
}

Status SegmentBuild::keep_levels() {
  SegmentFooter footer = sink_->footer();
  footer.levels = calibration_->levels();
  calibration_.reset();
  if (path_.empty()) {
    segment_->set_levels(footer.levels);
    return std::nullopt;
  }
  // Windows refuses to write to a mapped file.
  segment_.reset();
  if (Status error = sink_->amend(footer)) return error;
  return open();
}

std::shared_ptr<const Segment> SegmentBuild::take() {
  taken_ = true;
  return std::move(segment_);
}

Result<std::unique_ptr<SegmentMerge>> SegmentMerge::begin(std::vector<IndexSegment> segments, const IndexSettings& settings,
                                                          const std::string& path) {
  std::unique_ptr<SegmentMerge> merge(new SegmentMerge(std::move(segments)));
  auto build = SegmentBuild::begin(merge->rows_, settings, path);
  if (!build) return std::move(build).error();
  merge->build_ = std::move(build).value();
  return merge;
}

Result<std::shared_ptr<const Segment>> build_segment(RowSource& source, const IndexSettings& settings, const std::string& path) {
  const auto build = SegmentBuild::begin(source, settings, path);
  if (!build) return build.error();
  while (true) {
    const Result<bool> done = build.value()->step();
    if (!done) return done.error();
    if (done.value()) return build.value()->take();
  }
}

}  // namespace sparse_rerank
