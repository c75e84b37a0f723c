#include "index/segment_bytes.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/checksum.h"
#include "kernels/target.h"

namespace sparse_rerank {

namespace {

Error not_an_index(const std::string& path) {
  return damaged_segment(path, "it does not begin and end as an index segment does, so it is cut short or another kind of file");
}

/// count * size, or the largest number when it does not fit.
std::uint64_t multiplied(std::uint64_t count, std::uint64_t size) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return size != 0 && count > kMost / size ? kMost : count * size;
}

}  // namespace

SegmentBytes::SegmentBytes(std::vector<std::byte> memory, const SegmentFooter& footer, std::string name)
    : memory_(std::move(memory)), bytes_(memory_), footer_(footer), name_(std::move(name)) {}

Result<SegmentBytes> SegmentBytes::open(const std::string& path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::move(file).error();
  const std::span<const std::byte> bytes = file.value().bytes();
  constexpr std::size_t kLeast = sizeof(kSegmentMagic) + sizeof(SegmentTrailer);
  if (bytes.size() < kLeast || std::memcmp(bytes.data(), &kSegmentMagic, sizeof(kSegmentMagic)) != 0) return not_an_index(path);
  const std::size_t tail_end = bytes.size() - sizeof(SegmentTrailer);
  SegmentTrailer trailer;
  std::memcpy(&trailer, bytes.data() + tail_end, sizeof(trailer));
  if (trailer.magic != kSegmentMagic) return not_an_index(path);
  if (trailer.version < kOldestSegmentVersion || trailer.version > kSegmentVersion) {
    return Error{"ERR_INDEX_VERSION", path + " has format version " + std::to_string(trailer.version) + "; this release reads versions " +
                                          std::to_string(kOldestSegmentVersion) + " to " + std::to_string(kSegmentVersion) +
                                          ": build the index again, or use the release that wrote it."};
  }
  if (trailer.tail > tail_end) return damaged_segment(path, "its trailer points beyond its end");
  const auto tail = bytes.subspan(trailer.tail, tail_end - trailer.tail);
  if (xxh64(tail) != trailer.checksum) return damaged_segment(path, "its footer does not have the checksum that it states");
  // A multiple of 8 only by custom: a foreign file may end elsewhere.
  if (trailer.tail % alignof(std::uint64_t) != 0) return damaged_segment(path, "its page checksums are not aligned");
  Result<DecodedFooter> decoded = decode_footer(tail, trailer, path);
  if (!decoded) return std::move(decoded).error();
  SegmentBytes segment(std::move(file).value());
  segment.bytes_ = bytes.first(trailer.tail);
  segment.footer_ = decoded.value().footer;
  segment.name_ = path;
  PageStarts starts = std::move(decoded).value().pages;
  const std::size_t pages = count_pages(starts, trailer.tail);
  for (const std::uint64_t start : starts.offsets) segment.first_pages_.push_back(count_pages(starts, start));
  segment.page_starts_ = std::move(starts.offsets);
  segment.checksums_ = {reinterpret_cast<const std::uint64_t*>(tail.data()), pages};
  segment.checked_ = std::make_unique<std::atomic<bool>[]>(pages);
  if (Status error = segment.check_regions()) return *std::move(error);
  return segment;
}

Status SegmentBytes::check_regions() const {
  for (const RegionRange& range : footer_.regions) {
    if (range.offset % alignof(std::uint64_t) != 0 || range.offset > bytes_.size() || range.bytes > bytes_.size() - range.offset) {
      return corrupt("a region lies beyond its end");
    }
  }
  return std::nullopt;
}

Status SegmentBytes::check_unchanged() const {
  if (!file_ || file_->unchanged()) return std::nullopt;
  return Error{"ERR_INDEX_CORRUPT", name_ +
                                        " was written over while it was open; open the index again, and replace its files only by a "
                                        "rename, never in place."};
}

bool SegmentBytes::holds(Region region, std::uint64_t count, std::uint64_t size) const {
  return footer_.regions[region].bytes == multiplied(count, size);
}

bool SegmentBytes::check_page(std::size_t page) const {
  const auto next = std::upper_bound(first_pages_.begin(), first_pages_.end(), page);
  const auto part = static_cast<std::size_t>(next - first_pages_.begin()) - 1;
  const std::size_t end = part + 1 < page_starts_.size() ? page_starts_[part + 1] : bytes_.size();
  const std::size_t first = page_starts_[part] + (page - first_pages_[part]) * kPageBytes;
  // Two threads may both do it: they come to the same result.
  if (xxh64(bytes_.subspan(first, std::min(kPageBytes, end - first))) != checksums_[page]) return false;
  checked_[page].store(true, std::memory_order_relaxed);
  return true;
}

Result<SegmentBytes::Extent> SegmentBytes::extent(Region offsets, std::uint64_t i, std::uint64_t limit) const {
  const Result<const std::uint64_t*> pair = read<std::uint64_t>(offsets, i, 2);
  if (!pair) return pair.error();
  const std::uint64_t first = pair.value()[0];
  const std::uint64_t end = pair.value()[1];
  if (end < first || end > limit) return corrupt("an entry of a table lies beyond its region");
  return Extent{first, end - first};
}

Result<std::span<const std::byte>> SegmentBytes::item(Region offsets, Region bytes, std::uint64_t i) const {
  const Result<Extent> place = extent(offsets, i, footer_.regions[bytes].bytes);
  if (!place) return place.error();
  const auto [first, count] = place.value();
  const Result<const std::byte*> begin = read<std::byte>(bytes, first, count);
  if (!begin) return begin.error();
  return std::span(begin.value(), static_cast<std::size_t>(count));
}

Result<std::string_view> SegmentBytes::text(Region offsets, Region bytes, std::uint64_t i) const {
  const Result<std::span<const std::byte>> found = item(offsets, bytes, i);
  if (!found) return found.error();
  return std::string_view(reinterpret_cast<const char*>(found.value().data()), found.value().size());
}

Status SegmentBytes::copy_terms(Region region, const Extent& row, bool wide, std::vector<std::uint32_t>& terms) const {
  const auto copy = [&](const auto& from) -> Status {
    if (!from) return from.error();
    terms.assign(from.value(), from.value() + row.count);
    return std::nullopt;
  };
  return wide ? copy(read<std::uint32_t>(region, row.first, row.count)) : copy(read<std::uint16_t>(region, row.first, row.count));
}

void SegmentBytes::prefetch_row(Region offsets, std::uint64_t i, std::uint64_t limit, std::initializer_list<Column> columns) const {
  constexpr std::uint64_t kLine = 64;
  constexpr std::uint64_t kMost = 16;
  const std::uint64_t* const pair = at<std::uint64_t>(offsets) + i;
  const std::uint64_t first = pair[0];
  if (pair[1] < first || pair[1] > limit) return;
  for (const auto& [region, element_bytes] : columns) {
    const std::byte* const begin = at<std::byte>(region) + first * element_bytes;
    const std::uint64_t lines = std::min((pair[1] - first) * element_bytes / kLine + 1, kMost);
    for (std::uint64_t line = 0; line < lines; ++line) SPARSE_RERANK_PREFETCH(begin + line * kLine);
  }
}

Result<Postings> SegmentBytes::postings(Region region, const PostingEntry& entry, std::uint64_t groups) const {
  const std::uint64_t places = entry.masked != 0 ? groups * sizeof(std::uint64_t) : std::uint64_t{entry.count} * sizeof(std::uint16_t);
  const std::uint64_t available = footer_.regions[region].bytes - kPostingPadding;
  if (entry.offset % alignof(std::uint64_t) != 0 || entry.offset > available || places + entry.count > available - entry.offset) {
    return corrupt("a posting list lies beyond its region");
  }
  const Result<const std::uint8_t*> list = read<std::uint8_t>(region, entry.offset, places + entry.count);
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

Result<std::span<const Chunk>> SegmentBytes::chunks(Region region, std::uint64_t count) const {
  const Result<const Chunk*> begin = read<Chunk>(region, 0, count);
  if (!begin) return begin.error();
  const std::span chunks(begin.value(), static_cast<std::size_t>(count));
  std::uint64_t next = 0;
  for (const Chunk& chunk : chunks) {
    if (chunk.first != next || next % kGroupDocuments != 0 || chunk.documents == 0 || chunk.documents > kChunkDocuments)
      return corrupt("its chunks do not follow each other");
    next += chunk.documents;
  }
  if (next != footer_.counts.documents) return corrupt("its chunks do not hold its documents");
  return chunks;
}

}  // namespace sparse_rerank
