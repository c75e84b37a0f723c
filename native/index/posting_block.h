#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/aligned_buffer.h"
#include "index/sparse_rows.h"

namespace sparse_rerank {

/// Documents in one block of the index, numbered 0 to kBlockDocuments - 1 within it. Their scores (128 KiB) stay in the L2 cache while the
/// posting lists of a query's terms are added up.
inline constexpr std::uint32_t kBlockDocuments = 32768;

/// The documents of one block that contain a term, ascending, and the term's weight in each.
struct PostingList {
  std::span<const std::uint32_t> documents;
  std::span<const float> weights;
};

/// A block that still takes documents: one growing list for each term. Zero weights are not stored.
class OpenBlock {
 public:
  [[nodiscard]] std::uint32_t documents() const { return documents_; }
  [[nodiscard]] std::size_t postings() const { return postings_; }
  /// Memory held, spare capacity included.
  [[nodiscard]] std::size_t bytes() const { return lists_.capacity() * sizeof(GrowingList) + list_bytes_; }

  /// Empty for a term that no document has.
  [[nodiscard]] PostingList list(std::uint32_t term) const;
  /// Terms that may have postings are below this.
  [[nodiscard]] std::uint32_t term_end() const { return static_cast<std::uint32_t>(lists_.size()); }

  /// Makes room for these documents, so that append() cannot fail.
  void reserve(const SparseRowsView& rows);
  /// Adds documents; reserve() was called for them.
  void append(const SparseRowsView& rows) noexcept;

  /// Counts `count` more documents; push() adds their postings.
  void extend(std::uint32_t count) { documents_ += count; }
  /// Adds a posting; those of a term come in ascending document order.
  void push(std::uint32_t term, std::uint32_t document, float weight);

 private:
  struct GrowingList {
    std::vector<std::uint32_t> documents;
    std::vector<float> weights;
  };
  static constexpr std::size_t kPostingBytes = sizeof(std::uint32_t) + sizeof(float);

  void cover_terms(std::size_t end);
  void make_room(GrowingList& list, std::size_t count);

  std::vector<GrowingList> lists_;  // by term
  std::uint32_t documents_ = 0;
  std::size_t postings_ = 0;
  std::size_t list_bytes_ = 0;
};

/// A full block: the lists of all terms in one piece of memory without spare capacity. Never changes.
class SealedBlock {
 public:
  /// The documents of `open` followed by `rows`.
  SealedBlock(const OpenBlock& open, const SparseRowsView& rows);

  [[nodiscard]] std::size_t postings() const { return documents_.size(); }
  [[nodiscard]] std::size_t bytes() const;

  [[nodiscard]] PostingList list(std::uint32_t term) const;
  /// Terms that have postings, ascending.
  [[nodiscard]] std::span<const std::uint32_t> terms() const { return terms_; }

 private:
  // Postings of terms_[i] are [offsets_[i], offsets_[i + 1]). 64 bits: 32768 documents can have more than 2^32 of them.
  std::vector<std::uint32_t> terms_;
  std::vector<std::uint64_t> offsets_;
  AlignedBuffer<std::uint32_t> documents_;
  AlignedBuffer<float> weights_;
};

}  // namespace sparse_rerank
