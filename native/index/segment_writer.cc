#include "index/segment_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "core/checksum.h"

namespace sparse_rerank {

namespace {

/// Documents that one step looks at.
constexpr std::uint32_t kStepDocuments = kChunkDocuments;
constexpr std::size_t kAlignment = 8;

constexpr std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + (kAlignment - 1)) / kAlignment * kAlignment;
}

std::uint64_t list_bytes(const PostingEntry& entry, std::uint32_t groups) {
  const std::uint64_t places = entry.masked != 0 ? std::uint64_t{groups} * sizeof(std::uint64_t) : std::uint64_t{entry.count} * 2;
  return aligned(places + entry.count);
}

/// ceil(weight * 255 / largest) for 0 < weight <= largest.
std::uint8_t quantised(float weight, double inverse) {
  const double level = static_cast<double>(weight) * inverse;
  auto rounded = static_cast<std::uint32_t>(level);
  if (rounded < level) ++rounded;
  return static_cast<std::uint8_t>(std::clamp<std::uint32_t>(rounded, 1, kWeightLevels));
}

}  // namespace

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

Status SegmentWriter::begin(Region region) {
  const std::uint64_t position = sink_.position();
  footer_.regions[region].offset = aligned(position);
  constexpr std::byte kZeros[kAlignment] = {};
  return sink_.write(std::span(kZeros).first(aligned(position) - position));
}

Status SegmentWriter::end(Region region, std::size_t padding) {
  const std::vector<std::byte> zeros(padding);
  if (Status error = sink_.write(zeros)) return error;
  footer_.regions[region].bytes = sink_.position() - footer_.regions[region].offset;
  return std::nullopt;
}

template <typename T>
Status SegmentWriter::put_region(Region region, std::span<const T> values) {
  if (Status error = begin(region)) return error;
  if (Status error = put(values)) return error;
  return end(region);
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
  if (Status error = put(std::span(&kSegmentMagic, 1))) return error;
  return begin(kPostings);
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
    Chunk chunk = {next_, 0};
    while (chunk.documents < kChunkDocuments && next_ + chunk.documents < source_.documents()) {
      const std::uint32_t more = std::min(kGroupDocuments, source_.documents() - next_ - chunk.documents);
      const std::uint64_t weights = offsets_[std::size_t{next_} + chunk.documents + more] - offsets_[next_];
      if (chunk.documents > 0 && weights > kChunkPostings) break;
      chunk.documents += more;
    }
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
    const std::uint64_t base = sink_.position() - footer_.regions[kPostings].offset;
    for (PostingEntry& entry : entries) {
      entry.masked = entry.count * std::uint64_t{kMaskedShare} >= chunk.documents ? 1 : 0;
      entry.offset = base + bytes;
      bytes += list_bytes(entry, groups_of(chunk.documents));
    }
    postings_.assign(bytes, std::byte{0});
    next_ = chunk.first;
    if (Status failed = fill_chunk(chunk, entries)) return failed;
    chunks_.push_back(chunk);
    if (Status failed = sink_.write(postings_)) return failed;
  }
  if (!all_seen()) return std::nullopt;
  postings_ = {};
  if (Status error = end(kPostings, kPostingPadding)) return error;
  if (Status error = put_region(kChunks, std::span<const Chunk>(chunks_))) return error;
  if (Status error = put_region(kTerms, std::span<const std::uint32_t>(terms_))) return error;
  if (Status error = put_region(kRanges, std::span<const TermRange>(ranges_))) return error;
  if (Status error = put_region(kEntries, std::span<const PostingEntry>(entries_))) return error;
  if (Status error = put_region(kRowOffsets, std::span<const std::uint64_t>(offsets_))) return error;
  enter(Phase::kRowTerms);
  return begin(kRowTerms);
}

Status SegmentWriter::fill_chunk(const Chunk& chunk, std::span<const PostingEntry> entries) {
  std::fill(filled_.begin(), filled_.end(), 0);
  const std::uint64_t base = sink_.position() - footer_.regions[kPostings].offset;
  const std::size_t mask_bytes = groups_of(chunk.documents) * sizeof(std::uint64_t);
  return for_next_rows(chunk.documents, [&](std::uint32_t document) -> Status {
    const auto slot = static_cast<std::uint16_t>(document - chunk.first);
    for (std::size_t i = 0; i < row_terms_.size(); ++i) {
      if (!(row_weights_[i] > 0.0f)) continue;
      const std::uint32_t ordinal = ordinals_[row_terms_[i]];
      const PostingEntry& entry = entries[ordinal];
      std::byte* const list = postings_.data() + (entry.offset - base);
      const std::uint32_t place = filled_[ordinal]++;
      std::size_t weights;
      if (entry.masked != 0) {
        // Little-endian: bit j of the mask of group g is bit j % 8 of byte 8 * g + j / 8, and so of byte slot / 8.
        list[slot / 8] |= static_cast<std::byte>(1u << (slot % 8));
        weights = mask_bytes;
      } else {
        std::memcpy(list + place * sizeof(slot), &slot, sizeof(slot));
        weights = entry.count * sizeof(slot);
      }
      list[weights + place] = static_cast<std::byte>(quantised(row_weights_[i], inverses_[ordinal]));
    }
    return std::nullopt;
  });
}

Status SegmentWriter::write_row_terms() {
  const bool wide = dimension_ > kNarrowTerms;
  std::vector<std::uint16_t> narrow;
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t) -> Status {
    if (wide) return put(std::span<const std::uint32_t>(row_terms_));
    narrow.assign(row_terms_.begin(), row_terms_.end());
    return put(std::span<const std::uint16_t>(narrow));
  });
  if (failed || !all_seen()) return failed;
  footer_.wide = wide ? 1 : 0;
  if (Status error = end(kRowTerms)) return error;
  enter(Phase::kRowWeights);
  return begin(kRowWeights);
}

Status SegmentWriter::write_row_weights() {
  Status failed = for_next_rows(kStepDocuments, [&](std::uint32_t) { return put(std::span<const float>(row_weights_)); });
  if (failed || !all_seen()) return failed;
  if (Status error = end(kRowWeights)) return error;
  enter(Phase::kIds);
  return std::nullopt;
}

Status SegmentWriter::write_ids() {
  const std::uint32_t documents = source_.documents();
  footer_.id_slots = std::bit_ceil(std::uint64_t{documents} + documents / 2 + 1);
  std::vector<IdSlot> table(footer_.id_slots);
  std::vector<std::uint64_t> offsets = {0};
  offsets.reserve(documents + std::size_t{1});
  if (Status error = begin(kIdBytes)) return error;
  for (std::uint32_t document = 0; document < documents; ++document) {
    const Result<std::string_view> id = source_.id(document);
    if (!id) return id.error();
    const auto bytes = std::as_bytes(std::span(id.value()));
    if (Status error = sink_.write(bytes)) return error;
    offsets.push_back(offsets.back() + bytes.size());
    const std::uint64_t hash = xxh64(bytes);
    std::uint64_t slot = hash & (footer_.id_slots - 1);
    while (table[slot].document != 0) slot = (slot + 1) & (footer_.id_slots - 1);
    table[slot] = {static_cast<std::uint32_t>(hash >> 32), document + 1};
  }
  if (Status error = end(kIdBytes)) return error;
  if (Status error = put_region(kIdOffsets, std::span<const std::uint64_t>(offsets))) return error;
  if (Status error = put_region(kIdTable, std::span<const IdSlot>(table))) return error;
  enter(Phase::kStored);
  return std::nullopt;
}

Status SegmentWriter::write_stored() {
  std::vector<std::uint64_t> offsets = {0};
  if (Status error = begin(kStoredBytes)) return error;
  for (std::uint32_t document = 0; document < source_.documents(); ++document) {
    const auto stored = source_.stored(document);
    if (!stored) return stored.error();
    if (Status error = sink_.write(stored.value())) return error;
    offsets.push_back(offsets.back() + stored.value().size());
  }
  if (Status error = end(kStoredBytes)) return error;
  if (offsets.back() == 0) offsets.clear();
  if (Status error = put_region(kStoredOffsets, std::span<const std::uint64_t>(offsets))) return error;
  enter(Phase::kAttributes);
  return std::nullopt;
}

Status SegmentWriter::write_attributes() {
  std::vector<AttributeEntry> entries;
  if (Status error = begin(kAttributeData)) return error;
  const std::uint64_t base = sink_.position();
  while (true) {
    const auto result = source_.next_attribute();
    if (!result) return result.error();
    const std::optional<Attribute>& next = result.value();
    if (!next) break;
    const auto& [name, documents] = *next;
    entries.push_back({sink_.position() - base, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(documents.size())});
    if (Status error = put(std::span(name))) return error;
    constexpr std::byte kZeros[sizeof(std::uint32_t)] = {};
    if (Status error = sink_.write(std::span(kZeros).first((sizeof(kZeros) - name.size() % sizeof(kZeros)) % sizeof(kZeros)))) return error;
    if (Status error = put(documents)) return error;
  }
  if (Status error = end(kAttributeData)) return error;
  if (Status error = put_region(kAttributes, std::span<const AttributeEntry>(entries))) return error;
  footer_.dimension = dimension_;
  footer_.documents = source_.documents();
  footer_.weights = offsets_.back();
  footer_.terms = terms_.size();
  footer_.chunks = chunks_.size();
  phase_ = Phase::kDone;
  return sink_.finish(footer_);
}

}  // namespace sparse_rerank
