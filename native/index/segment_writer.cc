#include "index/segment_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "core/checksum.h"

namespace sparse_rerank {

Result<bool> SegmentWriter::step() {
  Status error;
  switch (phase_) {
    case Phase::kScan:
      error = scan();
      break;
    case Phase::kChunks:
      error = write_chunk();
      break;
    case Phase::kRowTerms:
      error = write_row_terms();
      break;
    case Phase::kRowWeights:
      error = write_row_weights();
      break;
    case Phase::kIds:
      error = write_ids();
      break;
    case Phase::kStored:
      error = write_stored();
      break;
    case Phase::kAttributes:
      error = write_attributes();
      break;
    case Phase::kLexical:
      error = write_lexical();
      break;
    case Phase::kDone:
      break;
  }
  if (error) return *std::move(error);
  return phase_ == Phase::kDone;
}

void SegmentWriter::enter(Phase phase) {
  phase_ = phase;
  next_ = 0;
}

template <typename Visit>
Status SegmentWriter::for_next_rows(std::uint32_t count, Visit visit) {
  const std::uint32_t end = next_ + std::min(count, source_.documents() - next_);
  for (; next_ < end; ++next_) {
    const Result<SparseRow> row = source_.row(next_);
    if (!row) return row.error();
    const auto& [indices, values] = row.value();
    row_terms_.clear();
    row_weights_.clear();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (values[i] == 0.0f) continue;
      row_terms_.push_back(indices[i]);
      row_weights_.push_back(values[i]);
    }
    if (Status error = visit(next_)) return error;
  }
  return std::nullopt;
}

Status SegmentWriter::scan() {
  if (offsets_.empty()) {
    offsets_.reserve(source_.documents() + std::size_t{1});
    offsets_.push_back(0);
  }
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t) -> Status {
    if (!row_terms_.empty() && row_terms_.back() >= ranges_.size()) ranges_.resize(row_terms_.back() + std::size_t{1});
    for (std::size_t i = 0; i < row_terms_.size(); ++i) {
      TermRange& range = ranges_[row_terms_[i]];
      range.largest = std::max(range.largest, row_weights_[i]);
      range.smallest = std::min(range.smallest, row_weights_[i]);
    }
    offsets_.push_back(offsets_.back() + row_terms_.size());
    return std::nullopt;
  });
  if (failed || !all_seen()) return failed;
  number_terms();
  enter(Phase::kChunks);
  if (Status error = writer_.put(std::span(&kSegmentMagic, 1))) return error;
  return writer_.begin(kPostings);
}

void SegmentWriter::number_terms() {
  ordinals_.resize(ranges_.size());
  std::uint32_t ordinal = 0;
  for (std::uint32_t term = 0; term < ranges_.size(); ++term) {
    const TermRange range = ranges_[term];
    if (range.largest == 0.0f && range.smallest == 0.0f) continue;
    ordinals_[term] = ordinal;
    terms_.push_back(term);
    ranges_[ordinal++] = range;
    inverses_.push_back(range.largest > 0.0f ? static_cast<double>(kWeightLevels) / range.largest : 0.0);
  }
  ranges_.resize(ordinal);
  filled_.resize(ordinal);
}

Status SegmentWriter::write_chunk() {
  if (!all_seen()) {
    const Chunk chunk = next_chunk(next_, offsets_);
    entries_.resize(entries_.size() + terms_.size());
    const std::span<PostingEntry> entries = std::span(entries_).last(terms_.size());
    Status error = for_next_rows(chunk.documents, [&](std::uint32_t) -> Status {
      for (std::size_t i = 0; i < row_terms_.size(); ++i) {
        if (row_weights_[i] > 0.0f) ++entries[ordinals_[row_terms_[i]]].count;
      }
      return std::nullopt;
    });
    if (error) return error;
    std::uint64_t bytes = 0;
    const std::uint64_t base = writer_.written(kPostings);
    for (PostingEntry& entry : entries) bytes += place_list(entry, base + bytes, chunk);
    postings_.assign(bytes, std::byte{0});
    next_ = chunk.first;
    if (Status failed = fill_chunk(chunk, entries)) return failed;
    chunks_.push_back(chunk);
    if (Status failed = sink_.write(postings_)) return failed;
  }
  if (!all_seen()) return std::nullopt;
  postings_ = {};
  if (Status error = writer_.end(kPostings, kPostingPadding)) return error;
  if (Status error = writer_.put_region(kChunks, std::span<const Chunk>(chunks_))) return error;
  if (Status error = writer_.put_region(kTerms, std::span<const std::uint32_t>(terms_))) return error;
  if (Status error = writer_.put_region(kRanges, std::span<const TermRange>(ranges_))) return error;
  if (Status error = writer_.put_region(kEntries, std::span<const PostingEntry>(entries_))) return error;
  if (Status error = writer_.put_region(kRowOffsets, std::span<const std::uint64_t>(offsets_))) return error;
  enter(Phase::kRowTerms);
  return writer_.begin(kRowTerms);
}

Status SegmentWriter::fill_chunk(const Chunk& chunk, std::span<const PostingEntry> entries) {
  std::fill(filled_.begin(), filled_.end(), 0);
  const std::uint64_t base = writer_.written(kPostings);
  return for_next_rows(chunk.documents, [&](std::uint32_t document) -> Status {
    const auto slot = static_cast<std::uint16_t>(document - chunk.first);
    for (std::size_t i = 0; i < row_terms_.size(); ++i) {
      if (!(row_weights_[i] > 0.0f)) continue;
      const std::uint32_t ordinal = ordinals_[row_terms_[i]];
      const PostingEntry& entry = entries[ordinal];
      put_posting(postings_.data() + (entry.offset - base), entry, chunk, filled_[ordinal]++, slot,
                  quantised(row_weights_[i], inverses_[ordinal]));
    }
    return std::nullopt;
  });
}

Status SegmentWriter::write_row_terms() {
  const bool wide = settings_.dimension > kNarrowTerms;
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t) { return writer_.put_terms(row_terms_, wide); });
  if (failed || !all_seen()) return failed;
  footer_.counts.wide = wide ? 1 : 0;
  if (Status error = writer_.end(kRowTerms)) return error;
  enter(Phase::kRowWeights);
  return writer_.begin(kRowWeights);
}

Status SegmentWriter::write_row_weights() {
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t) { return writer_.put(std::span<const float>(row_weights_)); });
  if (failed || !all_seen()) return failed;
  if (Status error = writer_.end(kRowWeights)) return error;
  enter(Phase::kIds);
  return std::nullopt;
}

Status SegmentWriter::write_ids() {
  const std::uint32_t documents = source_.documents();
  footer_.counts.id_slots = std::bit_ceil(std::uint64_t{documents} + documents / 2 + 1);
  std::vector<IdSlot> table(footer_.counts.id_slots);
  std::vector<std::uint64_t> offsets = {0};
  offsets.reserve(documents + std::size_t{1});
  if (Status error = writer_.begin(kIdBytes)) return error;
  for (std::uint32_t document = 0; document < documents; ++document) {
    const Result<std::string_view> id = source_.id(document);
    if (!id) return id.error();
    const auto bytes = std::as_bytes(std::span(id.value()));
    if (Status error = sink_.write(bytes)) return error;
    offsets.push_back(offsets.back() + bytes.size());
    const std::uint64_t hash = xxh64(bytes);
    std::uint64_t slot = hash & (footer_.counts.id_slots - 1);
    while (table[slot].document != 0) slot = (slot + 1) & (footer_.counts.id_slots - 1);
    table[slot] = {static_cast<std::uint32_t>(hash >> 32), document + 1};
  }
  if (Status error = writer_.end(kIdBytes)) return error;
  if (Status error = writer_.put_region(kIdOffsets, std::span<const std::uint64_t>(offsets))) return error;
  if (Status error = writer_.put_region(kIdTable, std::span<const IdSlot>(table))) return error;
  enter(Phase::kStored);
  return std::nullopt;
}

Status SegmentWriter::write_stored() {
  std::vector<std::uint64_t> offsets = {0};
  if (Status error = writer_.begin(kStoredBytes)) return error;
  for (std::uint32_t document = 0; document < source_.documents(); ++document) {
    const auto stored = source_.stored(document);
    if (!stored) return stored.error();
    if (Status error = sink_.write(stored.value())) return error;
    offsets.push_back(offsets.back() + stored.value().size());
  }
  if (Status error = writer_.end(kStoredBytes)) return error;
  if (offsets.back() == 0) offsets.clear();
  if (Status error = writer_.put_region(kStoredOffsets, std::span<const std::uint64_t>(offsets))) return error;
  enter(Phase::kAttributes);
  return std::nullopt;
}

Status SegmentWriter::write_attributes() {
  std::vector<AttributeEntry> entries;
  if (Status error = writer_.begin(kAttributeData)) return error;
  const std::uint64_t base = sink_.position();
  while (true) {
    const auto result = source_.next_attribute();
    if (!result) return result.error();
    const std::optional<Attribute>& next = result.value();
    if (!next) break;
    const auto& [name, documents] = *next;
    entries.push_back({sink_.position() - base, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(documents.size())});
    if (Status error = writer_.put(std::span(name))) return error;
    constexpr std::byte kZeros[sizeof(std::uint32_t)] = {};
    if (Status error = sink_.write(std::span(kZeros).first((sizeof(kZeros) - name.size() % sizeof(kZeros)) % sizeof(kZeros)))) return error;
    if (Status error = writer_.put(documents)) return error;
  }
  if (Status error = writer_.end(kAttributeData)) return error;
  if (Status error = writer_.put_region(kAttributes, std::span<const AttributeEntry>(entries))) return error;
  footer_.counts.dimension = settings_.dimension;
  footer_.counts.documents = source_.documents();
  footer_.counts.weights = offsets_.back();
  footer_.counts.terms = terms_.size();
  footer_.counts.chunks = chunks_.size();
  if (!settings_.lexical) return finish();
  terms_writer_ = std::make_unique<TermsWriter>(*settings_.lexical, source_.documents(), *source_.terms(), footer_, writer_);
  enter(Phase::kLexical);
  return std::nullopt;
}

Status SegmentWriter::write_lexical() {
  const Result<bool> done = terms_writer_->step();
  if (!done) return done.error();
  if (!done.value()) return std::nullopt;
  terms_writer_.reset();
  return finish();
}

Status SegmentWriter::finish() {
  if (Status error = writer_.align()) return error;
  phase_ = Phase::kDone;
  return sink_.finish(footer_);
}

}  // namespace sparse_rerank
