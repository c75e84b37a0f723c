#include "index/segment_footer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sparse_rerank {

namespace {

constexpr std::uint32_t kSectionVersion = 1;

/// The form of version 3.
struct FooterOfVersion3 {
  SegmentCounts counts;
  std::array<RegionRange, kVersion3Regions> regions;
  PruningLevels levels;
};

template <typename T>
void append(std::vector<std::byte>& to, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// The first region of the lexical side in the file.
std::size_t first_lexical(const SegmentFooter& footer) {
  std::size_t first = kRegionCount;
  for (std::size_t region = kVersion3Regions; region < kRegionCount; ++region) {
    if (footer.regions[region].bytes == 0) continue;
    if (first == kRegionCount || footer.regions[region].offset < footer.regions[first].offset) first = region;
  }
  return first;
}

Error unknown_section(const std::string& path, const SectionEntry& entry) {
  return {"ERR_INDEX_VERSION", path + " has a section of kind " + std::to_string(entry.kind) + ", version " +
                                   std::to_string(entry.version) +
                                   ", which this release does not know: use the release that wrote it, or build the index again."};
}

Result<DecodedFooter> decode_version3(std::span<const std::byte> bytes, const SegmentTrailer& trailer, const std::string& path) {
  DecodedFooter decoded{};
  const std::size_t pages = count_pages(decoded.pages, trailer.tail) * sizeof(std::uint64_t);
  if (bytes.size() < pages || bytes.size() - pages != sizeof(FooterOfVersion3)) return damaged_segment(path, "its footer has another size");
  FooterOfVersion3 footer;
  std::memcpy(&footer, bytes.data() + pages, sizeof(footer));
  decoded.footer.counts = footer.counts;
  std::copy(footer.regions.begin(), footer.regions.end(), decoded.footer.regions.begin());
  decoded.footer.levels = footer.levels;
  return decoded;
}

/// Reads the table of sections.
class FooterReader {
 public:
  FooterReader(std::span<const std::byte> bytes, const SegmentTrailer& trailer, const std::string& path)
      : bytes_(bytes), tail_(trailer.tail), path_(path) {}

  [[nodiscard]] Result<DecodedFooter> read() {
    if (Status error = read_entries()) return *std::move(error);
    for (const SectionEntry& entry : entries_) {
      if (Status error = read_page_start(entry)) return *std::move(error);
      if (Status error = read_section(entry)) return *std::move(error);
    }
    const std::uint64_t pages = std::uint64_t{count_pages(decoded_.pages, tail_)} * sizeof(std::uint64_t);
    if (!has_counts_) return damaged("it has no counts");
    // Contents of sections that lie within the checksums would be odd, but they can be read.
    if (pages > bytes_.size() - table_bytes()) return damaged("it has too few checksums");
    return std::move(decoded_);
  }

 private:
  [[nodiscard]] Error damaged(const char* what) const { return damaged_segment(path_, what); }
  [[nodiscard]] std::size_t table_bytes() const { return entries_.size() * sizeof(SectionEntry) + sizeof(std::uint64_t); }

  [[nodiscard]] Status read_entries() {
    std::uint64_t count = 0;
    if (bytes_.size() < sizeof(count)) return damaged("it ends before its sections");
    const std::size_t end = bytes_.size() - sizeof(count);
    std::memcpy(&count, bytes_.data() + end, sizeof(count));
    if (count > end / sizeof(SectionEntry)) return damaged("it has too many sections");
    entries_.resize(static_cast<std::size_t>(count));
    const std::size_t size = entries_.size() * sizeof(SectionEntry);
    if (size > 0) std::memcpy(entries_.data(), bytes_.data() + (end - size), size);
    std::vector<std::uint32_t> kinds;
    kinds.reserve(entries_.size());
    for (const SectionEntry& entry : entries_) kinds.push_back(entry.kind);
    std::sort(kinds.begin(), kinds.end());
    if (std::adjacent_find(kinds.begin(), kinds.end()) != kinds.end()) return damaged("it has two sections of one kind");
    return std::nullopt;
  }

  [[nodiscard]] Status read_page_start(const SectionEntry& entry) {
    if ((entry.flags & kBeginsPages) == 0) return std::nullopt;
    if (entry.offset >= tail_) return damaged("pages begin beyond its regions");
    std::vector<std::uint64_t>& offsets = decoded_.pages.offsets;
    const auto place = std::lower_bound(offsets.begin(), offsets.end(), entry.offset);
    if (place == offsets.end() || *place != entry.offset) offsets.insert(place, entry.offset);
    return std::nullopt;
  }

  [[nodiscard]] Status read_section(const SectionEntry& entry) {
    const bool region = entry.kind >= kFirstRegionKind && entry.kind - kFirstRegionKind < kRegionCount;
    const bool known = region || entry.kind == kCountsKind || entry.kind == kLevelsKind || entry.kind == kLexicalCountsKind;
    if (!known || entry.version != kSectionVersion) {
      if ((entry.flags & kIgnorable) != 0) return std::nullopt;
      return unknown_section(path_, entry);
    }
    if (region) {
      decoded_.footer.regions[entry.kind - kFirstRegionKind] = {entry.offset, entry.bytes};
      return std::nullopt;
    }
    if (entry.kind == kLevelsKind) return copy(entry, decoded_.footer.levels);
    if (entry.kind == kLexicalCountsKind) return copy(entry, decoded_.footer.lexical.emplace());
    has_counts_ = true;
    return copy(entry, decoded_.footer.counts);
  }

  /// Small sections lie in the footer itself, which has a checksum of its own.
  template <typename T>
  [[nodiscard]] Status copy(const SectionEntry& entry, T& value) const {
    if (entry.bytes != sizeof(T) || entry.offset < tail_ || entry.offset - tail_ > bytes_.size() ||
        entry.bytes > bytes_.size() - (entry.offset - tail_)) {
      return damaged("a section of its footer lies beyond it");
    }
    std::memcpy(&value, bytes_.data() + (entry.offset - tail_), sizeof(T));
    return std::nullopt;
  }

  const std::span<const std::byte> bytes_;
  const std::uint64_t tail_;
  const std::string& path_;
  std::vector<SectionEntry> entries_;
  DecodedFooter decoded_{};
  bool has_counts_ = false;
};

}  // namespace

Error damaged_segment(const std::string& path, const char* what) {
  return {"ERR_INDEX_CORRUPT", path + " is damaged: " + what + "; restore it from a copy, or build the index again."};
}

std::size_t count_pages(const PageStarts& starts, std::uint64_t bytes) {
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i < starts.offsets.size(); ++i) {
    const std::uint64_t end = i + 1 < starts.offsets.size() ? std::min(starts.offsets[i + 1], bytes) : bytes;
    const std::uint64_t size = end - std::min(starts.offsets[i], end);
    pages += size / kPageBytes + (size % kPageBytes != 0 ? 1 : 0);
  }
  return static_cast<std::size_t>(pages);
}

std::vector<std::byte> encode_footer(const SegmentFooter& footer, std::uint64_t position) {
  std::vector<std::byte> bytes;
  std::vector<SectionEntry> entries;
  const auto place = [&](std::uint32_t kind, const auto& value, std::uint64_t flags) {
    entries.push_back({kind, kSectionVersion, position + bytes.size(), sizeof(value), flags});
    append(bytes, value);
  };
  place(kCountsKind, footer.counts, 0);
  place(kLevelsKind, footer.levels, kIgnorable);
  if (footer.lexical) place(kLexicalCountsKind, *footer.lexical, 0);
  const std::size_t anew = first_lexical(footer);
  for (std::size_t region = 0; region < kRegionCount; ++region) {
    const auto [offset, size] = footer.regions[region];
    if (size == 0) continue;
    entries.push_back(
        {kFirstRegionKind + static_cast<std::uint32_t>(region), kSectionVersion, offset, size, region == anew ? kBeginsPages : 0});
  }
  for (const SectionEntry& entry : entries) append(bytes, entry);
  append(bytes, std::uint64_t{entries.size()});
  return bytes;
}

Result<DecodedFooter> decode_footer(std::span<const std::byte> bytes, const SegmentTrailer& trailer, const std::string& path) {
  if (trailer.version == kOldestSegmentVersion) return decode_version3(bytes, trailer, path);
  return FooterReader(bytes, trailer, path).read();
}

}  // namespace sparse_rerank
