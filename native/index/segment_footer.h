#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "index/segment_format.h"

namespace sparse_rerank {

/// A part of a segment file. A footer is the contents of small sections, this table, and u64, how many it has.
struct SectionEntry {
  std::uint32_t kind;
  /// Of the section's own form.
  std::uint32_t version;
  /// In the file, a multiple of 8.
  std::uint64_t offset;
  std::uint64_t bytes;
  /// kIgnorable, kBeginsPages.
  std::uint64_t flags;
};

/// A reader that does not know the section can do without it, and a merge may drop it. Other unknown sections are refused.
inline constexpr std::uint64_t kIgnorable = 1;
/// Pages of checksums begin anew at this section, which lies before the tail.
inline constexpr std::uint64_t kBeginsPages = 2;

inline constexpr std::uint32_t kCountsKind = 1;
inline constexpr std::uint32_t kLevelsKind = 2;
inline constexpr std::uint32_t kLexicalCountsKind = 3;
inline constexpr std::uint32_t kFirstRegionKind = 16;

/// What lies before the tail in pages of kPageBytes. The first page begins at 0, and one at each of these.
struct PageStarts {
  std::vector<std::uint64_t> offsets = {0};
};

/// Pages that hold the first `bytes` bytes of a segment.
[[nodiscard]] std::size_t count_pages(const PageStarts& starts, std::uint64_t bytes);

/// The page of a byte. In-line: searches ask for every list and row.
inline std::size_t page_of(std::span<const std::uint64_t> starts, std::span<const std::size_t> first_pages, std::uint64_t offset) {
  std::size_t part = starts.size() - 1;
  while (starts[part] > offset) --part;
  return first_pages[part] + static_cast<std::size_t>((offset - starts[part]) / kPageBytes);
}

/// The bytes of a footer. @param position where they will lie in the file, a multiple of 8
[[nodiscard]] std::vector<std::byte> encode_footer(const SegmentFooter& footer, std::uint64_t position);

struct DecodedFooter {
  SegmentFooter footer;
  PageStarts pages;
};

/// Reads the footer of a file whose trailer is intact and has a version that is read. Regions may lie anywhere: Segment checks them.
/// @param bytes from the trailer's tail to the trailer
/// @param path for messages
/// Errors: ERR_INDEX_CORRUPT, ERR_INDEX_VERSION.
[[nodiscard]] Result<DecodedFooter> decode_footer(std::span<const std::byte> bytes, const SegmentTrailer& trailer, const std::string& path);

/// ERR_INDEX_CORRUPT: `path` is damaged in this way.
[[nodiscard]] Error damaged_segment(const std::string& path, const char* what);

}  // namespace sparse_rerank
