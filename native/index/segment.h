#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "index/row_source.h"
#include "index/segment_bytes.h"
#include "index/segment_terms.h"

namespace sparse_rerank {

/// Documents that never change, with an inverted and a forward index over them: built in memory, or a mapped file. Any thread.
///
/// A file's pages are checked when they are first used, so that opening costs the same for any size. Whatever its bytes say, nothing
/// outside the file is read. Errors of everything that returns a Result or Status: ERR_INDEX_CORRUPT.
class Segment {
 public:
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() = default;

  static Result<std::shared_ptr<Segment>> from_memory(std::vector<std::byte> bytes, const SegmentFooter& footer);
  /// Errors also: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INDEX_VERSION.
  static Result<std::shared_ptr<Segment>> open(const std::string& path);

  [[nodiscard]] std::size_t dimension() const { return counts().dimension; }
  [[nodiscard]] std::uint32_t documents() const { return static_cast<std::uint32_t>(counts().documents); }
  [[nodiscard]] std::uint64_t weights() const { return counts().weights; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.size(); }
  [[nodiscard]] IndexSettings settings() const;
  /// The lexical side; null where there is none.
  [[nodiscard]] const SegmentTerms* lexical() const { return lexical_ ? &*lexical_ : nullptr; }
  /// Of what every search reads: postings and their tables. The rest is read for candidates and hits only.
  [[nodiscard]] std::uint64_t hot_bytes() const;

  /// Refuses a file that was written over since it was opened: its pages are other ones now, and may be gone. Memory passes.
  [[nodiscard]] Status check_unchanged() const { return bytes_.check_unchanged(); }
  /// Whether a path still leads to the segment's file.
  [[nodiscard]] bool is_file(const std::string& path) const { return bytes_.is_file(path); }

  [[nodiscard]] std::span<const Chunk> chunks() const { return chunks_; }

  /// The cheapest pruning whose measured recall reaches `recall`; none where no measured one does.
  [[nodiscard]] PruningLevel level_for(double recall) const;
  /// Before other threads see the segment.
  void set_levels(const PruningLevels& levels) { bytes_.set_levels(levels); }

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

  [[nodiscard]] std::size_t attributes() const { return bytes_.bytes_of(kAttributes) / sizeof(AttributeEntry); }
  /// Of attribute i in ascending order of the bytes of their names.
  [[nodiscard]] Result<std::string_view> attribute_name(std::size_t i) const;
  [[nodiscard]] Result<std::span<const std::uint32_t>> attribute_documents(std::size_t i) const;
  /// The first attribute whose name is not below `name`, or attributes().
  [[nodiscard]] Result<std::size_t> find_attribute(std::string_view name) const;

 private:
  using Extent = SegmentBytes::Extent;

  explicit Segment(SegmentBytes bytes) : bytes_(std::move(bytes)) {}

  static Result<std::shared_ptr<Segment>> checked(SegmentBytes bytes);
  [[nodiscard]] Status check_counts() const;

  [[nodiscard]] const SegmentCounts& counts() const { return bytes_.footer().counts; }
  [[nodiscard]] bool wide() const { return counts().wide != 0; }
  /// Elements of kAttributeData: bytes of the name, and numbers of documents.
  struct AttributePlace {
    Extent name;
    Extent documents;
  };
  [[nodiscard]] Result<AttributePlace> attribute_place(std::size_t i) const;

  SegmentBytes bytes_;
  std::span<const Chunk> chunks_;
  std::optional<SegmentTerms> lexical_;
};

}  // namespace sparse_rerank
