#include "index/segment.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

#include "core/checksum.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

namespace sparse_rerank {

namespace {

constexpr std::uint64_t kMaxDocuments = std::numeric_limits<std::uint32_t>::max() - std::uint64_t{1};

Error corrupt_file(const std::string& name, const char* what) {
  return {"ERR_INDEX_CORRUPT", name + " is damaged: " + what + "; restore it from a copy, or build the index again."};
}

Error not_an_index(const std::string& path) {
  return corrupt_file(path, "it does not begin and end as an index segment does, so it is cut short or another kind of file");
}

/// count * size, or the largest number when it does not fit.
std::uint64_t multiplied(std::uint64_t count, std::uint64_t size) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return size != 0 && count > kMost / size ? kMost : count * size;
}

}  // namespace

Segment::Segment(std::optional<MappedFile> file, std::vector<std::byte> memory, const SegmentFooter& footer)
    : file_(std::move(file)), memory_(std::move(memory)), bytes_(memory_), footer_(footer) {}

Error Segment::corrupt(const char* what) const {
  return corrupt_file(name_, what);
}

Result<std::shared_ptr<Segment>> Segment::from_memory(std::vector<std::byte> bytes, const SegmentFooter& footer) {
  return checked(std::unique_ptr<Segment>(new Segment(std::nullopt, std::move(bytes), footer)), "The segment in memory");
}

Result<std::shared_ptr<Segment>> Segment::open(const std::string& path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::move(file).error();
  const std::span<const std::byte> bytes = file.value().bytes();
  constexpr std::size_t kLeast = sizeof(kSegmentMagic) + sizeof(SegmentFooter) + sizeof(SegmentTrailer);
  if (bytes.size() < kLeast || std::memcmp(bytes.data(), &kSegmentMagic, sizeof(kSegmentMagic)) != 0) return not_an_index(path);
  SegmentTrailer trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof(trailer), sizeof(trailer));
  if (trailer.magic != kSegmentMagic) return not_an_index(path);
  if (trailer.version != kSegmentVersion) {
    return Error{"ERR_INDEX_VERSION", path + " has format version " + std::to_string(trailer.version) + "; this release reads version " +
                                          std::to_string(kSegmentVersion) + ": build the index again, or use the release that wrote it."};
  }
  const std::size_t tail_end = bytes.size() - sizeof(trailer);
  constexpr std::size_t kFooterBytes = sizeof(SegmentFooter);
  if (tail_end < kFooterBytes || trailer.tail > tail_end - kFooterBytes) return corrupt_file(path, "its trailer points beyond its end");
  const std::size_t pages = trailer.tail / kPageBytes + (trailer.tail % kPageBytes != 0 ? 1 : 0);
  const auto tail = bytes.subspan(trailer.tail, tail_end - trailer.tail);
  if (tail.size() != pages * sizeof(std::uint64_t) + kFooterBytes || xxh64(tail) != trailer.checksum) {
    return corrupt_file(path, "its footer does not have the checksum that it states");
  }
  SegmentFooter footer;
  std::memcpy(&footer, tail.data() + tail.size() - kFooterBytes, kFooterBytes);
  std::unique_ptr<Segment> segment(new Segment(std::move(file).value(), {}, footer));
  segment->bytes_ = bytes.first(trailer.tail);
  // `tail` follows regions of a multiple of 8 bytes only by custom: a foreign file may end elsewhere.
  if (trailer.tail % alignof(std::uint64_t) != 0) return corrupt_file(path, "its page checksums are not aligned");
  segment->checksums_ = {reinterpret_cast<const std::uint64_t*>(tail.data()), pages};
  segment->checked_ = std::make_unique<std::atomic<bool>[]>(pages);
  return checked(std::move(segment), path);
}

Result<std::shared_ptr<Segment>> Segment::checked(std::unique_ptr<Segment> segment, const std::string& name) {
  segment->name_ = name;
  if (Status error = segment->check_regions()) return *std::move(error);
  const Result<const Chunk*> chunks = segment->read<Chunk>(kChunks, 0, segment->footer_.chunks);
  if (!chunks) return chunks.error();
  segment->chunks_ = {chunks.value(), static_cast<std::size_t>(segment->footer_.chunks)};
  if (Status error = segment->check_chunks()) return *std::move(error);
  return std::shared_ptr<Segment>(std::move(segment));
}

Status Segment::check_regions() const {
  const SegmentFooter& f = footer_;
  if (f.documents > kMaxDocuments || f.terms > f.dimension || f.chunks > f.documents || f.wide != (f.dimension > kNarrowTerms ? 1 : 0) ||
      f.dimension == 0 || f.dimension > kMaxDimension || !std::has_single_bit(f.id_slots) || f.id_slots <= f.documents) {
    return corrupt("its counts cannot be");
  }
  for (const RegionRange& range : f.regions) {
    if (range.offset % alignof(std::uint64_t) != 0 || range.offset > bytes_.size() || range.bytes > bytes_.size() - range.offset) {
      return corrupt("a region lies beyond its end");
    }
  }
  const auto in_unit_range = [](float value) { return value >= 0.0f && value <= 1.0f; };
  for (const auto& [pruning, recall] : f.levels) {
    if (!in_unit_range(pruning.share) || !in_unit_range(pruning.threshold) || !in_unit_range(recall)) {
      return corrupt("a pruning level cannot be");
    }
  }
  const std::uint64_t offsets = (f.documents + 1) * sizeof(std::uint64_t);
  const auto holds = [&](Region region, std::uint64_t count, std::uint64_t size) {
    return f.regions[region].bytes == multiplied(count, size);
  };
  const bool stored = f.regions[kStoredOffsets].bytes != 0;
  const bool sizes_fit =
      holds(kChunks, f.chunks, sizeof(Chunk)) && holds(kTerms, f.terms, sizeof(std::uint32_t)) &&
      holds(kRanges, f.terms, sizeof(TermRange)) && holds(kEntries, multiplied(f.chunks, f.terms), sizeof(PostingEntry)) &&
      holds(kRowOffsets, offsets, 1) && holds(kIdOffsets, offsets, 1) &&
      holds(kRowTerms, f.weights, wide() ? sizeof(std::uint32_t) : sizeof(std::uint16_t)) && holds(kRowWeights, f.weights, sizeof(float)) &&
      holds(kIdTable, f.id_slots, sizeof(IdSlot)) && holds(kStoredOffsets, stored ? offsets : 0, 1) &&
      f.regions[kPostings].bytes >= kPostingPadding && f.regions[kAttributes].bytes % sizeof(AttributeEntry) == 0;
  if (!sizes_fit) return corrupt("a region has another size than the counts ask for");
  return std::nullopt;
}

Status Segment::check_chunks() const {
  std::uint64_t next = 0;
  for (const Chunk& chunk : chunks_) {
    if (chunk.first != next || next % kGroupDocuments != 0 || chunk.documents == 0 || chunk.documents > kChunkDocuments)
      return corrupt("its chunks do not follow each other");
    next += chunk.documents;
  }
  if (next != footer_.documents) return corrupt("its chunks do not hold its documents");
  return std::nullopt;
}

Status Segment::check_unchanged() const {
  if (!file_ || file_->unchanged()) return std::nullopt;
  return Error{"ERR_INDEX_CORRUPT", name_ +
                                        " was written over while it was open; open the index again, and replace its files only by a "
                                        "rename, never in place."};
}

std::uint64_t Segment::hot_bytes() const {
  std::uint64_t total = 0;
  for (const Region region : {kChunks, kTerms, kRanges, kEntries, kPostings}) total += footer_.regions[region].bytes;
  return total;
}

PruningLevel Segment::level_for(double recall) const {
  PruningLevel chosen = {{}, 1.0f};
  for (const PruningLevel& level : footer_.levels) {
    if (level.recall >= recall) chosen = level;
  }
  return chosen;
}

bool Segment::intact(std::uint64_t offset, std::uint64_t bytes) const {
  if (checked_ == nullptr || bytes == 0) return true;
  const std::size_t last = (offset + bytes - 1) / kPageBytes;
  for (std::size_t page = offset / kPageBytes; page <= last; ++page) {
    if (!checked_[page].load(std::memory_order_relaxed) && !check_page(page)) return false;
  }
  return true;
}

bool Segment::check_page(std::size_t page) const {
  const std::size_t first = page * kPageBytes;
  // Two threads may both do it: they come to the same result.
  if (xxh64(bytes_.subspan(first, std::min(kPageBytes, bytes_.size() - first))) != checksums_[page]) return false;
  checked_[page].store(true, std::memory_order_relaxed);
  return true;
}

template <typename T>
Result<const T*> Segment::read(Region region, std::uint64_t first, std::uint64_t count) const {
  if (!intact(footer_.regions[region].offset + first * sizeof(T), count * sizeof(T))) {
    return corrupt("a page does not have the checksum that it should");
  }
  return at<T>(region) + first;
}

Result<std::optional<Segment::Term>> Segment::find_term(std::uint32_t term) const {
  const Result<const std::uint32_t*> terms = read<std::uint32_t>(kTerms, 0, footer_.terms);
  if (!terms) return terms.error();
  const std::uint32_t* const end = terms.value() + footer_.terms;
  const std::uint32_t* const found = std::lower_bound(terms.value(), end, term);
  if (found == end || *found != term) return std::optional<Term>();
  const auto ordinal = static_cast<std::size_t>(found - terms.value());
  const Result<const TermRange*> range = read<TermRange>(kRanges, ordinal, 1);
  if (!range) return range.error();
  // Whatever is computed from them stays finite.
  if (!std::isfinite(range.value()->largest) || !std::isfinite(range.value()->smallest))
    return corrupt("the range of a term is not finite");
  return std::optional(Term{ordinal, *range.value()});
}

Result<Postings> Segment::postings(std::size_t chunk, std::size_t ordinal) const {
  const Result<const PostingEntry*> read_entry = read<PostingEntry>(kEntries, chunk * footer_.terms + ordinal, 1);
  if (!read_entry) return read_entry.error();
  const PostingEntry& entry = *read_entry.value();
  const std::uint64_t groups = groups_of(chunks_[chunk].documents);
  const std::uint64_t places = entry.masked != 0 ? groups * sizeof(std::uint64_t) : std::uint64_t{entry.count} * sizeof(std::uint16_t);
  const std::uint64_t available = footer_.regions[kPostings].bytes - kPostingPadding;
  if (entry.offset % alignof(std::uint64_t) != 0 || entry.offset > available || places + entry.count > available - entry.offset) {
    return corrupt("a posting list lies beyond its region");
  }
  const Result<const std::uint8_t*> list = read<std::uint8_t>(kPostings, entry.offset, places + entry.count);
  if (!list) return list.error();
  Postings postings;
  if (entry.masked != 0) {
    postings.masks = reinterpret_cast<const std::uint64_t*>(list.value());
  } else {
    postings.documents = reinterpret_cast<const std::uint16_t*>(list.value());
  }
  postings.weights = {list.value() + places, entry.count};
  return postings;
}

Result<Segment::Extent> Segment::extent(Region offsets, std::uint32_t document, std::uint64_t limit) const {
  const Result<const std::uint64_t*> pair = read<std::uint64_t>(offsets, document, 2);
  if (!pair) return pair.error();
  const std::uint64_t first = pair.value()[0];
  const std::uint64_t end = pair.value()[1];
  if (end < first || end > limit) return corrupt("a document lies beyond its region");
  return Extent{first, end - first};
}

Result<float> Segment::score(std::uint32_t document, const float* dense) const {
  const Result<Extent> row = extent(kRowOffsets, document, footer_.weights);
  if (!row) return row.error();
  const auto [first, count] = row.value();
  const Result<const float*> weights = read<float>(kRowWeights, first, count);
  if (!weights) return weights.error();
  if (!wide()) {
    const Result<const std::uint16_t*> terms = read<std::uint16_t>(kRowTerms, first, count);
    if (!terms) return terms.error();
    return dot_gather(terms.value(), weights.value(), count, dense);
  }
  const Result<const std::uint32_t*> terms = read<std::uint32_t>(kRowTerms, first, count);
  if (!terms) return terms.error();
  const bool within = count == 0 || *std::max_element(terms.value(), terms.value() + count) <= dimension();
  if (!within) return corrupt("a row has a term beyond the dimension");
  return dot_gather(terms.value(), weights.value(), count, dense);
}

void Segment::prefetch_row(std::uint32_t document) const {
  constexpr std::uint64_t kLine = 64;
  constexpr std::uint64_t kMost = 16;
  const std::uint64_t* const offsets = at<std::uint64_t>(kRowOffsets) + document;
  const std::uint64_t first = offsets[0];
  if (offsets[1] < first || offsets[1] > footer_.weights) return;
  const std::uint64_t size = wide() ? sizeof(std::uint32_t) : sizeof(std::uint16_t);
  const auto prefetch = [&](Region region, std::uint64_t element) {
    const std::byte* const begin = bytes_.data() + footer_.regions[region].offset + first * element;
    const std::uint64_t lines = std::min((offsets[1] - first) * element / kLine + 1, kMost);
    for (std::uint64_t i = 0; i < lines; ++i) SPARSE_RERANK_PREFETCH(begin + i * kLine);
  };
  prefetch(kRowTerms, size);
  prefetch(kRowWeights, sizeof(float));
}

Result<SparseRow> Segment::row(std::uint32_t document, std::vector<std::uint32_t>& terms) const {
  const Result<Extent> row = extent(kRowOffsets, document, footer_.weights);
  if (!row) return row.error();
  const auto [first, count] = row.value();
  const Result<const float*> weights = read<float>(kRowWeights, first, count);
  if (!weights) return weights.error();
  if (wide()) {
    const Result<const std::uint32_t*> from = read<std::uint32_t>(kRowTerms, first, count);
    if (!from) return from.error();
    terms.assign(from.value(), from.value() + count);
  } else {
    const Result<const std::uint16_t*> from = read<std::uint16_t>(kRowTerms, first, count);
    if (!from) return from.error();
    terms.assign(from.value(), from.value() + count);
  }
  // Whoever takes rows relies on it: see validate().
  for (std::size_t i = 0; i < count; ++i) {
    if (terms[i] >= dimension() || (i > 0 && terms[i] <= terms[i - 1]) || !std::isfinite(weights.value()[i])) {
      return corrupt("a row is not in order");
    }
  }
  return SparseRow{terms, {weights.value(), static_cast<std::size_t>(count)}};
}

Result<std::span<const std::byte>> Segment::bytes_of(Region offsets, Region bytes, std::uint32_t document) const {
  const Result<Extent> place = extent(offsets, document, footer_.regions[bytes].bytes);
  if (!place) return place.error();
  const auto [first, count] = place.value();
  const Result<const std::byte*> begin = read<std::byte>(bytes, first, count);
  if (!begin) return begin.error();
  return std::span(begin.value(), static_cast<std::size_t>(count));
}

Result<std::string_view> Segment::id(std::uint32_t document) const {
  const auto bytes = bytes_of(kIdOffsets, kIdBytes, document);
  if (!bytes) return bytes.error();
  return std::string_view(reinterpret_cast<const char*>(bytes.value().data()), bytes.value().size());
}

Result<std::span<const std::byte>> Segment::stored(std::uint32_t document) const {
  if (footer_.regions[kStoredOffsets].bytes == 0) return std::span<const std::byte>();
  return bytes_of(kStoredOffsets, kStoredBytes, document);
}

Result<std::optional<std::uint32_t>> Segment::find(std::string_view id) const {
  const std::uint64_t hash = xxh64(std::as_bytes(std::span(id)));
  const std::uint64_t mask = footer_.id_slots - 1;
  // A table without an empty slot, which no writer makes, ends the search after one round.
  for (std::uint64_t i = 0; i < footer_.id_slots; ++i) {
    const Result<const IdSlot*> slot = read<IdSlot>(kIdTable, (hash + i) & mask, 1);
    if (!slot) return slot.error();
    const auto [tag, document] = *slot.value();
    if (document == 0) break;
    if (tag != static_cast<std::uint32_t>(hash >> 32)) continue;
    if (document > footer_.documents) return corrupt("its table of ids names a document that it does not have");
    const Result<std::string_view> found = this->id(document - 1);
    if (!found) return found.error();
    if (found.value() == id) return std::optional(document - 1);
  }
  return std::optional<std::uint32_t>();
}

Result<Segment::AttributePlace> Segment::attribute_place(std::size_t i) const {
  const Result<const AttributeEntry*> entry = read<AttributeEntry>(kAttributes, i, 1);
  if (!entry) return entry.error();
  const auto [offset, name_bytes, documents] = *entry.value();
  constexpr std::uint64_t kAlignment = alignof(std::uint32_t);
  const std::uint64_t name_room = (name_bytes + (kAlignment - 1)) / kAlignment * kAlignment;
  const std::uint64_t bytes = name_room + std::uint64_t{documents} * sizeof(std::uint32_t);
  const std::uint64_t available = footer_.regions[kAttributeData].bytes;
  if (offset % kAlignment != 0 || offset > available || bytes > available - offset) return corrupt("an attribute lies beyond its region");
  return AttributePlace{{offset, name_bytes}, {(offset + name_room) / sizeof(std::uint32_t), documents}};
}

Result<std::string_view> Segment::attribute_name(std::size_t i) const {
  const Result<AttributePlace> place = attribute_place(i);
  if (!place) return place.error();
  const auto [first, count] = place.value().name;
  const Result<const char*> name = read<char>(kAttributeData, first, count);
  if (!name) return name.error();
  return std::string_view(name.value(), static_cast<std::size_t>(count));
}

Result<std::span<const std::uint32_t>> Segment::attribute_documents(std::size_t i) const {
  const Result<AttributePlace> place = attribute_place(i);
  if (!place) return place.error();
  const auto [first, count] = place.value().documents;
  const Result<const std::uint32_t*> begin = read<std::uint32_t>(kAttributeData, first, count);
  if (!begin) return begin.error();
  const std::span documents(begin.value(), static_cast<std::size_t>(count));
  const auto beyond = [this](std::uint32_t document) { return document >= footer_.documents; };
  if (std::any_of(documents.begin(), documents.end(), beyond)) return corrupt("an attribute names a document that it does not have");
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
