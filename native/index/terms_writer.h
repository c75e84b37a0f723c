#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "index/region_writer.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// Writes the lexical side of a segment in short steps. Holds the dictionary, some 30 bytes for each term and 12 for each document, and the
/// lists of one chunk. Terms that no document has are left out.
class TermsWriter {
 public:
  /// @param documents of the segment
  /// @param source, footer outlive the writer
  TermsWriter(const Bm25& bm25, std::uint32_t documents, TermSource& source, SegmentFooter& footer, RegionWriter writer)
      : bm25_(bm25), documents_(documents), source_(source), footer_(footer), writer_(std::move(writer)) {}

  /// Settles with whether that was the last step. Errors: those of the source and the sink.
  [[nodiscard]] Result<bool> step();

 private:
  enum class Phase { kDictionary, kLengths, kScan, kChunks, kTerms, kCounts, kDone };

  [[nodiscard]] Status read_dictionary();
  [[nodiscard]] Status read_lengths();
  [[nodiscard]] Status scan();
  void number_terms();
  [[nodiscard]] Status write_chunk();
  [[nodiscard]] Status count_chunk(const Chunk& chunk);
  [[nodiscard]] Status fill_chunk(const Chunk& chunk, std::uint64_t base);
  [[nodiscard]] Status write_tables();
  [[nodiscard]] Status write_dictionary();
  [[nodiscard]] Status write_entries();
  [[nodiscard]] Status write_row_terms();
  [[nodiscard]] Status write_row_counts();

  /// Calls visit(document, row) for the next documents of the phase, up to `count`.
  template <typename Visit>
  [[nodiscard]] Status for_next_rows(std::uint32_t count, Visit visit);
  void enter(Phase phase);
  [[nodiscard]] double norm(const TermRow& row) const { return bm25_.norm(row.length, average_length_); }

  const Bm25 bm25_;
  const std::uint32_t documents_;
  TermSource& source_;
  SegmentFooter& footer_;
  RegionWriter writer_;
  Phase phase_ = Phase::kDictionary;
  std::uint32_t next_ = 0;  // document of the phase

  std::string bytes_;  // of all terms of the source
  std::vector<std::uint64_t> term_offsets_ = {0};
  std::vector<std::uint32_t> lengths_;
  std::uint64_t total_length_ = 0;
  double average_length_ = 1.0;

  std::vector<std::uint32_t> having_;    // by number in the source: documents; by ordinal once numbered
  std::vector<double> largest_;          // impact, alike
  std::vector<std::uint32_t> ordinals_;  // by number in the source
  std::vector<std::uint32_t> numbers_;   // by ordinal
  std::vector<float> impacts_;           // by ordinal
  std::vector<std::uint64_t> row_offsets_ = {0};

  /// A list of the chunk, as it is filled: all that a posting needs, since most terms are rare and out of the caches.
  struct List {
    std::uint32_t number;
    std::uint32_t filled;
    PostingEntry entry;
    double inverse;  // for quantised()
  };
  std::vector<List> lists_;
  std::vector<std::uint32_t> places_;  // by number in the source: its list in lists_
  std::vector<std::byte> postings_;    // of the chunk
  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> entry_ordinals_;
  std::vector<LexicalEntry> entries_;  // chunk by chunk
};

}  // namespace sparse_rerank
