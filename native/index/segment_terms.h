#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/segment_bytes.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// A term of a query in one segment, and what an impact of 1 adds to a score.
struct WeightedTerm {
  std::uint32_t ordinal;
  double weight;
};

/// The lexical side of a segment: its dictionary, the terms of each document, and lists with quantised impacts. Nothing of it is read
/// before it is asked for. A term's ordinal is its place in the dictionary, ascending by bytes. Any thread. Errors: ERR_INDEX_CORRUPT.
class SegmentTerms {
 public:
  /// @param bytes of the segment, which outlive this object and do not move
  static Result<SegmentTerms> of(const SegmentBytes& bytes, const LexicalCounts& counts);

  [[nodiscard]] const Bm25& bm25() const { return counts().bm25; }
  /// What the impacts of the lists were computed with.
  [[nodiscard]] double average_length() const { return counts().average_length; }
  [[nodiscard]] std::uint64_t total_length() const { return counts().total_length; }
  [[nodiscard]] std::size_t terms() const { return counts().terms; }
  [[nodiscard]] std::uint32_t documents() const { return static_cast<std::uint32_t>(bytes_->footer().counts.documents); }

  [[nodiscard]] Error corrupt(const char* what) const { return bytes_->corrupt(what); }

  [[nodiscard]] Result<std::string_view> term(std::size_t ordinal) const;
  [[nodiscard]] Result<std::optional<std::uint32_t>> find(std::string_view term) const;
  /// Documents of the segment that have the term, removed ones included.
  [[nodiscard]] Result<std::uint32_t> documents_with(std::uint32_t ordinal) const;
  /// No document's impact of the term is larger.
  [[nodiscard]] Result<float> largest_impact(std::uint32_t ordinal) const;

  /// Checked by each call, so once for each search.
  [[nodiscard]] Result<std::span<const Chunk>> chunks() const { return bytes_->chunks(kLexicalChunks, counts().chunks); }
  /// @param chunk one of chunks(), its number
  [[nodiscard]] Result<Postings> postings(std::span<const Chunk> chunks, std::size_t chunk, std::size_t ordinal) const;

  /// @param memory for the ordinals
  [[nodiscard]] Result<TermRow> row(std::uint32_t document, std::vector<std::uint32_t>& memory) const;
  [[nodiscard]] Result<std::uint32_t> length(std::uint32_t document) const;
  /// The BM25 score, before it is rounded to float.
  /// @param query ascending by ordinal
  [[nodiscard]] Result<double> score(std::uint32_t document, std::span<const WeightedTerm> query, double average_length) const;
  /// Asks the processor for what score() will read.
  void prefetch_row(std::uint32_t document) const;

 private:
  SegmentTerms(const SegmentBytes& bytes, const LexicalCounts& counts) : bytes_(&bytes), counts_(&counts) {}
  [[nodiscard]] const LexicalCounts& counts() const { return *counts_; }
  [[nodiscard]] bool wide() const { return counts().terms > kNarrowTerms; }
  template <typename Ordinal>
  [[nodiscard]] Result<double> score_row(const SegmentBytes::Extent& row, std::span<const WeightedTerm> query, double norm) const;

  const SegmentBytes* bytes_;
  const LexicalCounts* counts_;  // in the footer of bytes_
};

}  // namespace sparse_rerank
