#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"
#include "index/region_writer.h"
#include "index/row_source.h"
#include "index/segment_format.h"
#include "index/segment_sink.h"
#include "index/terms_writer.h"

namespace sparse_rerank {

/// Builds a segment in short steps, so that the thread can do other work between them. Holds the postings of one chunk and some 30 bytes a
/// document; the rows are read three times and never kept.
class SegmentWriter {
 public:
  /// @param source, sink outlive the writer
  SegmentWriter(const IndexSettings& settings, RowSource& source, SegmentSink& sink)
      : settings_(settings), source_(source), sink_(sink), writer_(sink, footer_) {}

  /// A part of the work: some tenths of a second at most. Settles with whether the segment is complete, and the sink finished.
  /// Errors: those of the source and the sink, after which the writer is of no use.
  [[nodiscard]] Result<bool> step();

 private:
  enum class Phase { kScan, kChunks, kRowTerms, kRowWeights, kIds, kStored, kAttributes, kLexical, kDone };

  [[nodiscard]] Status scan();
  void number_terms();
  [[nodiscard]] Status write_chunk();
  [[nodiscard]] Status fill_chunk(const Chunk& chunk, std::span<const PostingEntry> entries);
  [[nodiscard]] Status write_row_terms();
  [[nodiscard]] Status write_row_weights();
  [[nodiscard]] Status write_ids();
  [[nodiscard]] Status write_stored();
  [[nodiscard]] Status write_attributes();
  [[nodiscard]] Status write_lexical();
  [[nodiscard]] Status finish();

  /// Calls visit(document, row without zero weights) for the next documents of the phase, up to `count`.
  template <typename Visit>
  [[nodiscard]] Status for_next_rows(std::uint32_t count, Visit visit);
  [[nodiscard]] bool all_seen() const { return next_ == source_.documents(); }
  void enter(Phase phase);

  const IndexSettings settings_;
  RowSource& source_;
  SegmentSink& sink_;
  Phase phase_ = Phase::kScan;
  std::uint32_t next_ = 0;  // document of the phase
  SegmentFooter footer_{};
  RegionWriter writer_;
  std::unique_ptr<TermsWriter> terms_writer_;  // once its phase began

  std::vector<TermRange> ranges_;        // by term while scanning, then by ordinal
  std::vector<std::uint32_t> ordinals_;  // by term: its place among the terms that have weights
  std::vector<std::uint64_t> offsets_;
  std::vector<Chunk> chunks_;
  std::vector<PostingEntry> entries_;  // [chunks][terms]
  std::vector<double> inverses_;       // by ordinal
  std::vector<std::uint32_t> terms_;
  std::vector<std::uint32_t> filled_;  // by ordinal: postings of the chunk so far
  std::vector<std::byte> postings_;    // of the chunk

  std::vector<std::uint32_t> row_terms_;  // the row without its zero weights
  std::vector<float> row_weights_;
};

}  // namespace sparse_rerank
