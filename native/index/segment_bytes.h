#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped_file.h"
#include "core/result.h"
#include "index/segment_footer.h"
#include "index/segment_format.h"

namespace sparse_rerank {

/// A posting list of one chunk. Exactly one of `documents` and `masks` is set.
struct Postings {
  const std::uint16_t* documents = nullptr;
  const std::uint64_t* masks = nullptr;
  std::span<const std::uint8_t> weights;
};

/// The regions of a segment, in memory or in a mapped file whose pages are checked when they are first used. Any thread. Errors of
/// everything that returns a Result or Status: ERR_INDEX_CORRUPT.
class SegmentBytes {
 public:
  /// @param name for messages
  SegmentBytes(std::vector<std::byte> memory, const SegmentFooter& footer, std::string name);
  /// Regions lie within the file. Errors also: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INDEX_VERSION.
  static Result<SegmentBytes> open(const std::string& path);

  [[nodiscard]] const SegmentFooter& footer() const { return footer_; }
  void set_levels(const PruningLevels& levels) { footer_.levels = levels; }
  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  [[nodiscard]] std::uint64_t bytes_of(Region region) const { return footer_.regions[region].bytes; }

  /// Whether a path still leads to the file that was opened; false for memory.
  [[nodiscard]] bool is_file(const std::string& path) const { return file_ && file_->is(path); }
  /// Refuses a file that was written over since it was opened. Memory passes.
  [[nodiscard]] Status check_unchanged() const;
  [[nodiscard]] Error corrupt(const char* what) const { return damaged_segment(name_, what); }

  /// Whether a region has exactly `count` elements of `size` bytes.
  [[nodiscard]] bool holds(Region region, std::uint64_t count, std::uint64_t size) const;
  /// Elements [first, first + count) of a region, which has them. Its pages are intact.
  template <typename T>
  [[nodiscard]] Result<const T*> read(Region region, std::uint64_t first, std::uint64_t count) const {
    if (!intact(footer_.regions[region].offset + first * sizeof(T), count * sizeof(T))) {
      return corrupt("a page does not have the checksum that it should");
    }
    return at<T>(region) + first;
  }
  /// Not checked: only for prefetching, and for what lies in a page that was.
  template <typename T>
  [[nodiscard]] const T* at(Region region) const {
    return reinterpret_cast<const T*>(bytes_.data() + footer_.regions[region].offset);
  }

  struct Extent {
    std::uint64_t first;
    std::uint64_t count;
  };
  /// Entry i of a table of offsets, within `limit`.
  [[nodiscard]] Result<Extent> extent(Region offsets, std::uint64_t i, std::uint64_t limit) const;
  [[nodiscard]] Result<std::span<const std::byte>> item(Region offsets, Region bytes, std::uint64_t i) const;
  [[nodiscard]] Result<std::string_view> text(Region offsets, Region bytes, std::uint64_t i) const;
  /// Copies the terms of a row, which have 32 bits if `wide` and 16 otherwise.
  [[nodiscard]] Status copy_terms(Region region, const Extent& row, bool wide, std::vector<std::uint32_t>& terms) const;
  struct Column {
    Region region;
    std::uint64_t element_bytes;
  };
  /// Asks the processor for the beginning of row i in each column. Does nothing for a row that is not within `limit`.
  void prefetch_row(Region offsets, std::uint64_t i, std::uint64_t limit, std::initializer_list<Column> columns) const;
  /// @param groups of the list's chunk
  [[nodiscard]] Result<Postings> postings(Region region, const PostingEntry& entry, std::uint64_t groups) const;
  /// Chunks that follow each other and hold all documents.
  [[nodiscard]] Result<std::span<const Chunk>> chunks(Region region, std::uint64_t count) const;

 private:
  explicit SegmentBytes(MappedFile file) : file_(std::move(file)) {}
  [[nodiscard]] Status check_regions() const;
  /// Checks the pages that hold these bytes unless that was done. They lie within the regions.
  [[nodiscard]] bool intact(std::uint64_t offset, std::uint64_t bytes) const {
    if (checked_ == nullptr || bytes == 0) return true;
    const std::size_t last = page_of(page_starts_, first_pages_, offset + bytes - 1);
    for (std::size_t page = page_of(page_starts_, first_pages_, offset); page <= last; ++page) {
      if (!checked_[page].load(std::memory_order_relaxed) && !check_page(page)) return false;
    }
    return true;
  }
  [[nodiscard]] bool check_page(std::size_t page) const;

  std::optional<MappedFile> file_;
  std::vector<std::byte> memory_;
  std::span<const std::byte> bytes_;  // of the regions
  SegmentFooter footer_{};
  std::string name_;
  std::span<const std::uint64_t> checksums_;
  std::vector<std::uint64_t> page_starts_;
  std::vector<std::size_t> first_pages_;  // by page start
  // By page: whether it was found intact. Empty for memory.
  std::unique_ptr<std::atomic<bool>[]> checked_;
};

}  // namespace sparse_rerank
