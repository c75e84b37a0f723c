#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/mapped_file.h"
#include "core/result.h"
#include "index/row_source.h"
#include "index/segment_format.h"

namespace sparse_rerank {

/// A posting list of one chunk. Exactly one of `documents` and `masks` is set.
struct Postings {
  const std::uint16_t* documents = nullptr;
  const std::uint64_t* masks = nullptr;
  std::span<const std::uint8_t> weights;
};

/// Documents that never change, with an inverted and a forward index over them: built in memory, or a mapped file. Any thread.
///
/// A file's pages are checked when they are first used, so that opening costs the same for any size. Whatever its bytes say, nothing
/// outside the file is read. Errors of everything that returns a Result or Status: ERR_INDEX_CORRUPT.
class Segment {
 public:
  static Result<std::shared_ptr<Segment>> from_memory(std::vector<std::byte> bytes, const SegmentFooter& footer);
  /// Errors also: ERR_FILE_UNREADABLE, ERR_INDEX_VERSION.
  static Result<std::shared_ptr<Segment>> open(const std::string& path);

  [[nodiscard]] std::size_t dimension() const { return footer_.dimension; }
  [[nodiscard]] std::uint32_t documents() const { return static_cast<std::uint32_t>(footer_.documents); }
  [[nodiscard]] std::uint64_t weights() const { return footer_.weights; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.size(); }
  /// Of what every search reads: postings and their tables. The rest is read for candidates and hits only.
  [[nodiscard]] std::uint64_t hot_bytes() const;

  /// Refuses a file that was written over since it was opened: its pages are other ones now, and may be gone. Memory passes.
  [[nodiscard]] Status check_unchanged() const;

  [[nodiscard]] std::span<const Chunk> chunks() const { return chunks_; }

  /// The cheapest pruning whose measured recall reaches `recall`; none where no measured one does.
  [[nodiscard]] PruningLevel level_for(double recall) const;
  /// Before other threads see the segment.
  void set_levels(const PruningLevels& levels) { footer_.levels = levels; }

  struct Term {
    std::size_t ordinal;
    TermRange range;
  };
  /// Nothing for a term that no document has.
  [[nodiscard]] Result<std::optional<Term>> find_term(std::uint32_t term) const;
  /// @param ordinal as find_term() gave it
  [[nodiscard]] Result<Postings> postings(std::size_t chunk, std::size_t ordinal) const;

  /// What a dense query has to have elements for, whatever a row says: see score().
  [[nodiscard]] std::size_t dense_size() const { return wide() ? dimension() + 1 : kNarrowTerms; }
  /// The exact score of a row, as docs/sparse-index.md defines it: dot_gather() of the row and the query.
  /// @param dense [dense_size()]: the query's weight of each term, zero for all others
  [[nodiscard]] Result<float> score(std::uint32_t document, const float* dense) const;
  /// Asks the processor for the row that score() will read.
  void prefetch_row(std::uint32_t document) const;

  /// @param terms memory for the row's terms
  [[nodiscard]] Result<SparseRow> row(std::uint32_t document, std::vector<std::uint32_t>& terms) const;
  [[nodiscard]] Result<std::string_view> id(std::uint32_t document) const;
  [[nodiscard]] Result<std::span<const std::byte>> stored(std::uint32_t document) const;
  /// The document with this id, if any.
  [[nodiscard]] Result<std::optional<std::uint32_t>> find(std::string_view id) const;

  [[nodiscard]] std::size_t attributes() const { return footer_.regions[kAttributes].bytes / sizeof(AttributeEntry); }
  /// Of attribute i in ascending order of the bytes of their names.
  [[nodiscard]] Result<std::string_view> attribute_name(std::size_t i) const;
  [[nodiscard]] Result<std::span<const std::uint32_t>> attribute_documents(std::size_t i) const;
  /// The first attribute whose name is not below `name`, or attributes().
  [[nodiscard]] Result<std::size_t> find_attribute(std::string_view name) const;

 private:
  Segment(std::optional<MappedFile> file, std::vector<std::byte> memory, const SegmentFooter& footer);

  static Result<std::shared_ptr<Segment>> checked(std::unique_ptr<Segment> segment, const std::string& name);
  [[nodiscard]] Status check_regions() const;
  [[nodiscard]] Status check_chunks() const;

  [[nodiscard]] bool wide() const { return footer_.wide != 0; }
  [[nodiscard]] Error corrupt(const char* what) const;
  /// Checks the pages that hold these bytes unless that was done. They lie within the regions.
  [[nodiscard]] bool intact(std::uint64_t offset, std::uint64_t bytes) const;
  [[nodiscard]] bool check_page(std::size_t page) const;
  /// Elements [first, first + count) of a region, which has them.
  template <typename T>
  [[nodiscard]] Result<const T*> read(Region region, std::uint64_t first, std::uint64_t count) const;
  template <typename T>
  [[nodiscard]] const T* at(Region region) const {
    return reinterpret_cast<const T*>(bytes_.data() + footer_.regions[region].offset);
  }
  struct Extent {
    std::uint64_t first;
    std::uint64_t count;
  };
  /// Elements of kAttributeData: bytes of the name, and numbers of documents.
  struct AttributePlace {
    Extent name;
    Extent documents;
  };
  [[nodiscard]] Result<AttributePlace> attribute_place(std::size_t i) const;
  /// Entry `document` of a table of offsets, within `limit`.
  [[nodiscard]] Result<Extent> extent(Region offsets, std::uint32_t document, std::uint64_t limit) const;
  [[nodiscard]] Result<std::span<const std::byte>> bytes_of(Region offsets, Region bytes, std::uint32_t document) const;

  std::optional<MappedFile> file_;
  std::vector<std::byte> memory_;
  std::span<const std::byte> bytes_;  // of the regions
  SegmentFooter footer_;
  std::string name_;
  std::span<const Chunk> chunks_;
  std::span<const std::uint64_t> checksums_;
  // By page: whether it was found intact. Empty for memory.
  std::unique_ptr<std::atomic<bool>[]> checked_;
};

}  // namespace sparse_rerank
