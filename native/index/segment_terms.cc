#include "index/segment_terms.h"

#include <algorithm>
#include <cmath>

#include "kernels/target.h"

namespace sparse_rerank {

Result<SegmentTerms> SegmentTerms::of(const SegmentBytes& bytes, const LexicalCounts& c) {
  const std::uint64_t documents = bytes.footer().counts.documents;
  if (!c.bm25.valid() || !(c.average_length > 0.0) || !std::isfinite(c.average_length) || c.terms > c.frequencies || c.chunks > documents ||
      c.entries > c.frequencies) {
    return bytes.corrupt("its lexical counts cannot be");
  }
  const bool wide = c.terms > kNarrowTerms;
  const bool sizes_fit =
      bytes.holds(kLexicalChunks, c.chunks, sizeof(Chunk)) && bytes.holds(kTermOffsets, c.terms + 1, sizeof(std::uint64_t)) &&
      bytes.holds(kTermDocuments, c.terms, sizeof(std::uint32_t)) && bytes.holds(kTermImpacts, c.terms, sizeof(float)) &&
      bytes.holds(kLexicalEntryOffsets, c.terms + 1, sizeof(std::uint64_t)) &&
      bytes.holds(kLexicalEntries, c.entries, sizeof(LexicalEntry)) && bytes.bytes_of(kLexicalPostings) >= kPostingPadding &&
      bytes.holds(kFrequencyOffsets, documents + 1, sizeof(std::uint64_t)) &&
      bytes.holds(kFrequencyTerms, c.frequencies, wide ? sizeof(std::uint32_t) : sizeof(std::uint16_t)) &&
      bytes.holds(kFrequencyCounts, c.frequencies, sizeof(std::uint16_t)) && bytes.holds(kLengths, documents, sizeof(std::uint32_t));
  if (!sizes_fit) return bytes.corrupt("a lexical region has another size than the counts ask for");
  return SegmentTerms(bytes, c);
}

Result<std::string_view> SegmentTerms::term(std::size_t ordinal) const {
  return bytes_->text(kTermOffsets, kTermBytes, ordinal);
}

Result<std::optional<std::uint32_t>> SegmentTerms::find(std::string_view term) const {
  std::size_t first = 0;
  for (std::size_t count = terms(); count > 0;) {
    const std::size_t half = count / 2;
    const Result<std::string_view> middle = this->term(first + half);
    if (!middle) return middle.error();
    if (middle.value() == term) return std::optional(static_cast<std::uint32_t>(first + half));
    if (middle.value() < term) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return std::optional<std::uint32_t>();
}

Result<std::uint32_t> SegmentTerms::documents_with(std::uint32_t ordinal) const {
  const Result<const std::uint32_t*> count = bytes_->read<std::uint32_t>(kTermDocuments, ordinal, 1);
  if (!count) return count.error();
  if (*count.value() == 0 || *count.value() > documents()) return bytes_->corrupt("a term has more documents than there are");
  return *count.value();
}

Result<float> SegmentTerms::largest_impact(std::uint32_t ordinal) const {
  const Result<const float*> impact = bytes_->read<float>(kTermImpacts, ordinal, 1);
  if (!impact) return impact.error();
  if (!(*impact.value() > 0.0f && *impact.value() <= 1.0f)) return bytes_->corrupt("the impact of a term cannot be");
  return *impact.value();
}

Result<Postings> SegmentTerms::postings(std::span<const Chunk> chunks, std::size_t chunk, std::size_t ordinal) const {
  const auto place = bytes_->extent(kLexicalEntryOffsets, ordinal, counts().entries);
  if (!place) return place.error();
  const auto [first, count] = place.value();
  const Result<const LexicalEntry*> entries = bytes_->read<LexicalEntry>(kLexicalEntries, first, count);
  if (!entries) return entries.error();
  const LexicalEntry* const end = entries.value() + count;
  const LexicalEntry* const found = std::lower_bound(
      entries.value(), end, chunk, [](const LexicalEntry& entry, std::size_t wanted) { return entry.chunk_and_form / 2 < wanted; });
  if (found == end || found->chunk_and_form / 2 != chunk) {
    // No list is an empty one.
    static constexpr std::uint16_t kNoDocuments[1] = {};
    Postings none;
    none.documents = kNoDocuments;
    return none;
  }
  return bytes_->postings(kLexicalPostings, {found->offset, found->count, found->chunk_and_form % 2}, groups_of(chunks[chunk].documents));
}

Result<TermRow> SegmentTerms::row(std::uint32_t document, std::vector<std::uint32_t>& memory) const {
  const auto row = bytes_->extent(kFrequencyOffsets, document, counts().frequencies);
  if (!row) return row.error();
  const auto [first, count] = row.value();
  if (Status error = bytes_->copy_terms(kFrequencyTerms, row.value(), wide(), memory)) return *std::move(error);
  const Result<const std::uint16_t*> frequencies = bytes_->read<std::uint16_t>(kFrequencyCounts, first, count);
  if (!frequencies) return frequencies.error();
  // Whoever takes rows relies on it.
  for (std::size_t i = 0; i < count; ++i) {
    if (memory[i] >= terms() || (i > 0 && memory[i] <= memory[i - 1]) || frequencies.value()[i] == 0) {
      return bytes_->corrupt("the terms of a document are not in order");
    }
  }
  const Result<std::uint32_t> length = this->length(document);
  if (!length) return length.error();
  return TermRow{memory, {frequencies.value(), static_cast<std::size_t>(count)}, length.value()};
}

Result<std::uint32_t> SegmentTerms::length(std::uint32_t document) const {
  const Result<const std::uint32_t*> length = bytes_->read<std::uint32_t>(kLengths, document, 1);
  if (!length) return length.error();
  return *length.value();
}

template <typename Ordinal>
Result<double> SegmentTerms::score_row(const SegmentBytes::Extent& row, std::span<const WeightedTerm> query, double norm) const {
  const Result<const Ordinal*> read = bytes_->read<Ordinal>(kFrequencyTerms, row.first, row.count);
  if (!read) return read.error();
  const Result<const std::uint16_t*> frequencies = bytes_->read<std::uint16_t>(kFrequencyCounts, row.first, row.count);
  if (!frequencies) return frequencies.error();
  const Ordinal* const end = read.value() + row.count;
  const Ordinal* from = read.value();
  double sum = 0.0;
  for (const auto& [ordinal, weight] : query) {
    from = std::lower_bound(from, end, ordinal);
    if (from == end) break;
    if (*from != ordinal) continue;
    sum += weight * Bm25::impact(frequencies.value()[from - read.value()], norm);
  }
  return sum;
}

Result<double> SegmentTerms::score(std::uint32_t document, std::span<const WeightedTerm> query, double average_length) const {
  const auto row = bytes_->extent(kFrequencyOffsets, document, counts().frequencies);
  if (!row) return row.error();
  const Result<std::uint32_t> length = this->length(document);
  if (!length) return length.error();
  const double norm = bm25().norm(length.value(), average_length);
  return wide() ? score_row<std::uint32_t>(row.value(), query, norm) : score_row<std::uint16_t>(row.value(), query, norm);
}

void SegmentTerms::prefetch_row(std::uint32_t document) const {
  bytes_->prefetch_row(
      kFrequencyOffsets, document, counts().frequencies,
      {{kFrequencyTerms, wide() ? sizeof(std::uint32_t) : sizeof(std::uint16_t)}, {kFrequencyCounts, sizeof(std::uint16_t)}});
  SPARSE_RERANK_PREFETCH(bytes_->at<std::byte>(kLengths) + std::uint64_t{document} * sizeof(std::uint32_t));
}

}  // namespace sparse_rerank
