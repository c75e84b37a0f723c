#include "index/terms_writer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "kernels/target.h"

namespace sparse_rerank {

namespace {

constexpr std::uint32_t kNoList = std::numeric_limits<std::uint32_t>::max();
/// Terms that one step reads.
constexpr std::size_t kStepTerms = std::size_t{1} << 16;
constexpr std::uint32_t kStepLengths = 1u << 20;

/// The smallest float that is not below `value`.
float rounded_up(double value) {
  const auto rounded = static_cast<float>(value);
  return rounded < value ? std::nextafter(rounded, std::numeric_limits<float>::infinity()) : rounded;
}

}  // namespace

Result<bool> TermsWriter::step() {
  Status error;
  switch (phase_) {
    case Phase::kDictionary:
      error = read_dictionary();
      break;
    case Phase::kLengths:
      error = read_lengths();
      break;
    case Phase::kScan:
      error = scan();
      break;
    case Phase::kChunks:
      error = write_chunk();
      break;
    case Phase::kTerms:
      error = write_row_terms();
      break;
    case Phase::kCounts:
      error = write_row_counts();
      break;
    case Phase::kDone:
      break;
  }
  if (error) return *std::move(error);
  return phase_ == Phase::kDone;
}

void TermsWriter::enter(Phase phase) {
  phase_ = phase;
  next_ = 0;
}

template <typename Visit>
Status TermsWriter::for_next_rows(std::uint32_t count, Visit visit) {
  const std::uint32_t end = next_ + std::min(count, documents_ - next_);
  for (; next_ < end; ++next_) {
    const Result<TermRow> row = source_.term_row(next_);
    if (!row) return row.error();
    if (Status error = visit(next_, row.value())) return error;
  }
  return std::nullopt;
}

Status TermsWriter::read_dictionary() {
  for (std::size_t i = 0; i < kStepTerms; ++i) {
    const auto next = source_.next_term();
    if (!next) return next.error();
    const auto& term = next.value();
    if (!term) {
      having_.resize(term_offsets_.size() - 1);
      largest_.resize(having_.size());
      enter(Phase::kLengths);
      return std::nullopt;
    }
    bytes_ += *term;
    term_offsets_.push_back(bytes_.size());
  }
  return std::nullopt;
}

Status TermsWriter::read_lengths() {
  const std::uint32_t end = next_ + std::min(kStepLengths, documents_ - next_);
  for (; next_ < end; ++next_) {
    const Result<std::uint32_t> length = source_.length(next_);
    if (!length) return length.error();
    lengths_.push_back(length.value());
    total_length_ += length.value();
  }
  if (next_ < documents_) return std::nullopt;
  if (total_length_ > 0) average_length_ = static_cast<double>(total_length_) / documents_;
  enter(Phase::kScan);
  return std::nullopt;
}

Status TermsWriter::scan() {
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t, const TermRow& row) -> Status {
    const double norm = this->norm(row);
    for (std::size_t i = 0; i < row.terms.size(); ++i) {
      ++having_[row.terms[i]];
      double& largest = largest_[row.terms[i]];
      largest = std::max(largest, Bm25::impact(row.counts[i], norm));
    }
    row_offsets_.push_back(row_offsets_.back() + row.terms.size());
    return std::nullopt;
  });
  if (failed || next_ < documents_) return failed;
  number_terms();
  enter(Phase::kChunks);
  return writer_.begin_pages(kLexicalPostings);
}

void TermsWriter::number_terms() {
  ordinals_.resize(having_.size());
  for (std::uint32_t number = 0; number < ordinals_.size(); ++number) {
    if (having_[number] == 0) continue;
    const auto ordinal = static_cast<std::uint32_t>(numbers_.size());
    ordinals_[number] = ordinal;
    having_[ordinal] = having_[number];
    impacts_.push_back(rounded_up(largest_[number]));
    // From now on, by ordinal: what quantised() takes.
    largest_[ordinal] = static_cast<double>(kWeightLevels) / static_cast<double>(impacts_.back());
    numbers_.push_back(number);
  }
  having_.resize(numbers_.size());
  largest_.resize(numbers_.size());
  places_.assign(ordinals_.size(), kNoList);
}

Status TermsWriter::write_chunk() {
  if (next_ < documents_) {
    const Chunk chunk = next_chunk(next_, row_offsets_);
    lists_.clear();
    if (Status error = count_chunk(chunk)) return error;
    std::uint64_t bytes = 0;
    const std::uint64_t base = writer_.written(kLexicalPostings);
    for (List& list : lists_) bytes += place_list(list.entry, base + bytes, chunk);
    postings_.assign(bytes, std::byte{0});
    next_ = chunk.first;
    if (Status error = fill_chunk(chunk, base)) return error;
    const auto number = static_cast<std::uint32_t>(chunks_.size());
    for (const List& list : lists_) {
      places_[list.number] = kNoList;
      entry_ordinals_.push_back(ordinals_[list.number]);
      entries_.push_back({list.entry.offset, list.entry.count, number * 2 + list.entry.masked});
    }
    chunks_.push_back(chunk);
    if (Status error = writer_.put(std::span<const std::byte>(postings_))) return error;
  }
  if (next_ < documents_) return std::nullopt;
  postings_ = {};
  if (Status error = writer_.end(kLexicalPostings, kPostingPadding)) return error;
  if (Status error = write_tables()) return error;
  enter(Phase::kTerms);
  return writer_.begin(kFrequencyTerms);
}

Status TermsWriter::count_chunk(const Chunk& chunk) {
  return for_next_rows(chunk.documents, [&](std::uint32_t, const TermRow& row) -> Status {
    for (const std::uint32_t number : row.terms) {
      std::uint32_t& place = places_[number];
      if (place == kNoList) {
        place = static_cast<std::uint32_t>(lists_.size());
        lists_.push_back({number, 0, {}, largest_[ordinals_[number]]});
      }
      ++lists_[place].entry.count;
    }
    return std::nullopt;
  });
}

Status TermsWriter::fill_chunk(const Chunk& chunk, std::uint64_t base) {
  return for_next_rows(chunk.documents, [&](std::uint32_t document, const TermRow& row) -> Status {
    const auto slot = static_cast<std::uint16_t>(document - chunk.first);
    const double norm = this->norm(row);
    for (const std::uint32_t number : row.terms) SPARSE_RERANK_PREFETCH(&lists_[places_[number]]);
    for (std::size_t i = 0; i < row.terms.size(); ++i) {
      List& list = lists_[places_[row.terms[i]]];
      put_posting(postings_.data() + (list.entry.offset - base), list.entry, chunk, list.filled++, slot,
                  quantised(Bm25::impact(row.counts[i], norm), list.inverse));
    }
    return std::nullopt;
  });
}

Status TermsWriter::write_tables() {
  if (Status error = writer_.put_region(kLexicalChunks, std::span<const Chunk>(chunks_))) return error;
  if (Status error = write_dictionary()) return error;
  if (Status error = writer_.put_region(kTermDocuments, std::span<const std::uint32_t>(having_))) return error;
  if (Status error = writer_.put_region(kTermImpacts, std::span<const float>(impacts_))) return error;
  if (Status error = write_entries()) return error;
  if (Status error = writer_.put_region(kFrequencyOffsets, std::span<const std::uint64_t>(row_offsets_))) return error;
  return writer_.put_region(kLengths, std::span<const std::uint32_t>(lengths_));
}

Status TermsWriter::write_dictionary() {
  std::vector<std::uint64_t> offsets = {0};
  offsets.reserve(numbers_.size() + 1);
  if (Status error = writer_.begin(kTermBytes)) return error;
  for (const std::uint32_t number : numbers_) {
    const auto size = static_cast<std::size_t>(term_offsets_[number + 1] - term_offsets_[number]);
    if (Status error = writer_.put(std::span<const char>(bytes_).subspan(term_offsets_[number], size))) return error;
    offsets.push_back(offsets.back() + size);
  }
  if (Status error = writer_.end(kTermBytes)) return error;
  return writer_.put_region(kTermOffsets, std::span<const std::uint64_t>(offsets));
}

Status TermsWriter::write_entries() {
  std::vector<std::uint64_t> offsets(numbers_.size() + 1);
  for (const std::uint32_t ordinal : entry_ordinals_) ++offsets[ordinal + 1];
  for (std::size_t i = 1; i < offsets.size(); ++i) offsets[i] += offsets[i - 1];
  if (Status error = writer_.put_region(kLexicalEntryOffsets, std::span<const std::uint64_t>(offsets))) return error;
  // Chunk by chunk, so that those of a term stay in their order.
  std::vector<LexicalEntry> sorted(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) sorted[offsets[entry_ordinals_[i]]++] = entries_[i];
  return writer_.put_region(kLexicalEntries, std::span<const LexicalEntry>(sorted));
}

Status TermsWriter::write_row_terms() {
  const bool wide = numbers_.size() > kNarrowTerms;
  std::vector<std::uint32_t> terms;
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t, const TermRow& row) -> Status {
    terms.clear();
    for (const std::uint32_t number : row.terms) terms.push_back(ordinals_[number]);
    return writer_.put_terms(terms, wide);
  });
  if (failed || next_ < documents_) return failed;
  if (Status error = writer_.end(kFrequencyTerms)) return error;
  enter(Phase::kCounts);
  return writer_.begin(kFrequencyCounts);
}

Status TermsWriter::write_row_counts() {
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t, const TermRow& row) { return writer_.put(row.counts); });
  if (failed || next_ < documents_) return failed;
  if (Status error = writer_.end(kFrequencyCounts)) return error;
  footer_.lexical =
      LexicalCounts{bm25_, average_length_, total_length_, numbers_.size(), row_offsets_.back(), chunks_.size(), entries_.size()};
  enter(Phase::kDone);
  return std::nullopt;
}

}  // namespace sparse_rerank
