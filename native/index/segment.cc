#include "index/segment.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "core/checksum.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

constexpr std::uint64_t kMaxDocuments = std::numeric_limits<std::uint32_t>::max() - std::uint64_t{1};

}  // namespace

Result<std::shared_ptr<Segment>> Segment::from_memory(std::vector<std::byte> bytes, const SegmentFooter& footer) {
  return checked(SegmentBytes(std::move(bytes), footer, "The segment in memory"));
}

Result<std::shared_ptr<Segment>> Segment::open(const std::string& path) {
  Result<SegmentBytes> bytes = SegmentBytes::open(path);
  if (!bytes) return std::move(bytes).error();
  return checked(std::move(bytes).value());
}

Result<std::shared_ptr<Segment>> Segment::checked(SegmentBytes bytes) {
  std::shared_ptr<Segment> segment(new Segment(std::move(bytes)));
  if (Status error = segment->check_counts()) return *std::move(error);
  const auto chunks = segment->bytes_.chunks(kChunks, segment->counts().chunks);
  if (!chunks) return chunks.error();
  segment->chunks_ = chunks.value();
  if (const std::optional<LexicalCounts>& counts = segment->bytes_.footer().lexical) {
    Result<SegmentTerms> lexical = SegmentTerms::of(segment->bytes_, *counts);
    if (!lexical) return std::move(lexical).error();
    segment->lexical_ = std::move(lexical).value();
  }
  return segment;
}

Status Segment::check_counts() const {
  const SegmentCounts& c = counts();
  if (c.documents > kMaxDocuments || c.terms > c.dimension || c.chunks > c.documents || c.wide != (c.dimension > kNarrowTerms ? 1 : 0) ||
      c.dimension == 0 || c.dimension > kMaxDimension || !std::has_single_bit(c.id_slots) || c.id_slots <= c.documents) {
    return bytes_.corrupt("its counts cannot be");
  }
  const auto in_unit_range = [](float value) { return value >= 0.0f && value <= 1.0f; };
  for (const auto& [pruning, recall] : bytes_.footer().levels) {
    if (!in_unit_range(pruning.share) || !in_unit_range(pruning.threshold) || !in_unit_range(recall)) {
      return bytes_.corrupt("a pruning level cannot be");
    }
  }
  const std::uint64_t offsets = c.documents + 1;
  const bool stored = bytes_.bytes_of(kStoredOffsets) != 0;
  const bool sizes_fit =
      bytes_.holds(kChunks, c.chunks, sizeof(Chunk)) && bytes_.holds(kTerms, c.terms, sizeof(std::uint32_t)) &&
      bytes_.holds(kRanges, c.terms, sizeof(TermRange)) && bytes_.holds(kEntries, c.chunks * c.terms, sizeof(PostingEntry)) &&
      bytes_.holds(kRowOffsets, offsets, sizeof(std::uint64_t)) && bytes_.holds(kIdOffsets, offsets, sizeof(std::uint64_t)) &&
      bytes_.holds(kRowTerms, c.weights, wide() ? sizeof(std::uint32_t) : sizeof(std::uint16_t)) &&
      bytes_.holds(kRowWeights, c.weights, sizeof(float)) && bytes_.holds(kIdTable, c.id_slots, sizeof(IdSlot)) &&
      bytes_.holds(kStoredOffsets, stored ? offsets : 0, sizeof(std::uint64_t)) && bytes_.bytes_of(kPostings) >= kPostingPadding &&
      bytes_.bytes_of(kAttributes) % sizeof(AttributeEntry) == 0;
  if (!sizes_fit) return bytes_.corrupt("a region has another size than the counts ask for");
  return std::nullopt;
}

IndexSettings Segment::settings() const {
  IndexSettings settings{dimension(), std::nullopt};
  if (lexical_) settings.lexical = lexical_->bm25();
  return settings;
}

std::uint64_t Segment::hot_bytes() const {
  std::uint64_t total = 0;
  for (const Region region : {kChunks, kTerms, kRanges, kEntries, kPostings}) total += bytes_.bytes_of(region);
  return total;
}

PruningLevel Segment::level_for(double recall) const {
  PruningLevel chosen = {{}, 1.0f};
  for (const PruningLevel& level : bytes_.footer().levels) {
    if (level.recall >= recall) chosen = level;
  }
  return chosen;
}

Result<std::optional<Segment::Term>> Segment::find_term(std::uint32_t term) const {
  const Result<const std::uint32_t*> terms = bytes_.read<std::uint32_t>(kTerms, 0, counts().terms);
  if (!terms) return terms.error();
  const std::uint32_t* const end = terms.value() + counts().terms;
  const std::uint32_t* const found = std::lower_bound(terms.value(), end, term);
  if (found == end || *found != term) return std::optional<Term>();
  const auto ordinal = static_cast<std::size_t>(found - terms.value());
  const Result<const TermRange*> range = bytes_.read<TermRange>(kRanges, ordinal, 1);
  if (!range) return range.error();
  // Whatever is computed from them stays finite.
  if (!std::isfinite(range.value()->largest) || !std::isfinite(range.value()->smallest))
    return bytes_.corrupt("the range of a term is not finite");
  return std::optional(Term{ordinal, *range.value()});
}

Result<Postings> Segment::postings(std::size_t chunk, std::size_t ordinal) const {
  const Result<const PostingEntry*> entry = bytes_.read<PostingEntry>(kEntries, chunk * counts().terms + ordinal, 1);
  if (!entry) return entry.error();
  return bytes_.postings(kPostings, *entry.value(), groups_of(chunks_[chunk].documents));
}

Result<float> Segment::score(std::uint32_t document, const float* dense) const {
  const Result<Extent> row = bytes_.extent(kRowOffsets, document, counts().weights);
  if (!row) return row.error();
  const auto [first, count] = row.value();
  const Result<const float*> weights = bytes_.read<float>(kRowWeights, first, count);
  if (!weights) return weights.error();
  if (!wide()) {
    const Result<const std::uint16_t*> terms = bytes_.read<std::uint16_t>(kRowTerms, first, count);
    if (!terms) return terms.error();
    return dot_gather(terms.value(), weights.value(), count, dense);
  }
  const Result<const std::uint32_t*> terms = bytes_.read<std::uint32_t>(kRowTerms, first, count);
  if (!terms) return terms.error();
  const bool within = count == 0 || *std::max_element(terms.value(), terms.value() + count) <= dimension();
  if (!within) return bytes_.corrupt("a row has a term beyond the dimension");
  return dot_gather(terms.value(), weights.value(), count, dense);
}

void Segment::prefetch_row(std::uint32_t document) const {
  bytes_.prefetch_row(kRowOffsets, document, counts().weights,
                      {{kRowTerms, wide() ? sizeof(std::uint32_t) : sizeof(std::uint16_t)}, {kRowWeights, sizeof(float)}});
}

Result<SparseRow> Segment::row(std::uint32_t document, std::vector<std::uint32_t>& terms) const {
  const Result<Extent> row = bytes_.extent(kRowOffsets, document, counts().weights);
  if (!row) return row.error();
  const auto [first, count] = row.value();
  const Result<const float*> weights = bytes_.read<float>(kRowWeights, first, count);
  if (!weights) return weights.error();
  if (Status error = bytes_.copy_terms(kRowTerms, row.value(), wide(), terms)) return *std::move(error);
  // Whoever takes rows relies on it: see validate().
  for (std::size_t i = 0; i < count; ++i) {
    if (terms[i] >= dimension() || (i > 0 && terms[i] <= terms[i - 1]) || !std::isfinite(weights.value()[i])) {
      return bytes_.corrupt("a row is not in order");
    }
  }
  return SparseRow{terms, {weights.value(), static_cast<std::size_t>(count)}};
}

Result<std::string_view> Segment::id(std::uint32_t document) const {
  return bytes_.text(kIdOffsets, kIdBytes, document);
}

Result<std::span<const std::byte>> Segment::stored(std::uint32_t document) const {
  if (bytes_.bytes_of(kStoredOffsets) == 0) return std::span<const std::byte>();
  return bytes_.item(kStoredOffsets, kStoredBytes, document);
}

Result<std::optional<std::uint32_t>> Segment::find(std::string_view id) const {
  const std::uint64_t hash = xxh64(std::as_bytes(std::span(id)));
  const std::uint64_t mask = counts().id_slots - 1;
  // A table without an empty slot, which no writer makes, ends the search after one round.
  for (std::uint64_t i = 0; i < counts().id_slots; ++i) {
    const Result<const IdSlot*> slot = bytes_.read<IdSlot>(kIdTable, (hash + i) & mask, 1);
    if (!slot) return slot.error();
    const auto [tag, document] = *slot.value();
    if (document == 0) break;
    if (tag != static_cast<std::uint32_t>(hash >> 32)) continue;
    if (document > counts().documents) return bytes_.corrupt("its table of ids names a document that it does not have");
    const Result<std::string_view> found = this->id(document - 1);
    if (!found) return found.error();
    if (found.value() == id) return std::optional(document - 1);
  }
  return std::optional<std::uint32_t>();
}

Result<Segment::AttributePlace> Segment::attribute_place(std::size_t i) const {
  const Result<const AttributeEntry*> entry = bytes_.read<AttributeEntry>(kAttributes, i, 1);
  if (!entry) return entry.error();
  const auto [offset, name_bytes, documents] = *entry.value();
  constexpr std::uint64_t kAlignment = alignof(std::uint32_t);
  const std::uint64_t name_room = (name_bytes + (kAlignment - 1)) / kAlignment * kAlignment;
  const std::uint64_t bytes = name_room + std::uint64_t{documents} * sizeof(std::uint32_t);
  const std::uint64_t available = bytes_.bytes_of(kAttributeData);
  if (offset % kAlignment != 0 || offset > available || bytes > available - offset)
    return bytes_.corrupt("an attribute lies beyond its region");
  return AttributePlace{{offset, name_bytes}, {(offset + name_room) / sizeof(std::uint32_t), documents}};
}

Result<std::string_view> Segment::attribute_name(std::size_t i) const {
  const Result<AttributePlace> place = attribute_place(i);
  if (!place) return place.error();
  const auto [first, count] = place.value().name;
  const Result<const char*> name = bytes_.read<char>(kAttributeData, first, count);
  if (!name) return name.error();
  return std::string_view(name.value(), static_cast<std::size_t>(count));
}

Result<std::span<const std::uint32_t>> Segment::attribute_documents(std::size_t i) const {
  const Result<AttributePlace> place = attribute_place(i);
  if (!place) return place.error();
  const auto [first, count] = place.value().documents;
  const Result<const std::uint32_t*> begin = bytes_.read<std::uint32_t>(kAttributeData, first, count);
  if (!begin) return begin.error();
  const std::span documents(begin.value(), static_cast<std::size_t>(count));
  const auto beyond = [this](std::uint32_t document) { return document >= counts().documents; };
  if (std::any_of(documents.begin(), documents.end(), beyond)) return bytes_.corrupt("an attribute names a document that it does not have");
  return documents;
}

Result<std::size_t> Segment::find_attribute(std::string_view name) const {
  std::size_t first = 0;
  for (std::size_t count = attributes(); count > 0;) {
    const std::size_t half = count / 2;
    const Result<std::string_view> middle = attribute_name(first + half);
    if (!middle) return middle.error();
    if (middle.value() < name) {
      first += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return first;
}

}  // namespace sparse_rerank
