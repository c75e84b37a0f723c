#include "index/segment_merge.h"

#include <utility>

namespace sparse_rerank {

namespace {

Result<std::unique_ptr<SegmentSink>> make_sink(const std::string& path) {
  if (path.empty()) return std::unique_ptr<SegmentSink>(std::make_unique<MemorySink>());
  Result<FileWriter> file = FileWriter::create(path);
  if (!file) return std::move(file).error();
  return std::unique_ptr<SegmentSink>(std::make_unique<FileSink>(std::move(file).value()));
}

Result<std::shared_ptr<const Segment>> open_written(SegmentSink& sink, const std::string& path) {
  if (!path.empty()) return Segment::open(path);
  auto& memory = static_cast<MemorySink&>(sink);
  return Segment::from_memory(std::move(memory.bytes), memory.footer);
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

Result<std::unique_ptr<SegmentMerge>> SegmentMerge::begin(std::vector<IndexSegment> segments, std::size_t dimension,
                                                          const std::string& path) {
  std::unique_ptr<SegmentMerge> merge(new SegmentMerge(std::move(segments)));
  auto sink = make_sink(path);
  if (!sink) return std::move(sink).error();
  merge->path_ = path;
  merge->sink_ = std::move(sink).value();
  merge->writer_ = std::make_unique<SegmentWriter>(dimension, merge->rows_, *merge->sink_);
  return merge;
}

Result<std::shared_ptr<const Segment>> SegmentMerge::take() {
  return open_written(*sink_, path_);
}

Result<std::shared_ptr<const Segment>> build_segment(RowSource& source, std::size_t dimension, const std::string& path) {
  const auto sink = make_sink(path);
  if (!sink) return sink.error();
  SegmentWriter writer(dimension, source, *sink.value());
  if (Status error = writer.write()) return *std::move(error);
  return open_written(*sink.value(), path);
}

}  // namespace sparse_rerank
