#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/strings_view.h"

namespace sparse_rerank {

/// Bytes of a term at most.
inline constexpr std::size_t kMaxTermBytes = 65535;
/// A term that a document has more often counts so often.
inline constexpr std::uint32_t kMaxTermCount = 65535;

/// The terms of a document: ordinals strictly ascending, as many counts, all 1 at least.
struct TermRow {
  std::span<const std::uint32_t> terms;
  std::span<const std::uint16_t> counts;
  /// The sum of the counts before they were cut to kMaxTermCount; 2^32 - 1 for more.
  std::uint32_t length;
};

/// Term frequencies of documents or queries, borrowed: row i has terms[indices[k]] counts[k] times, for k in [indptr[i], indptr[i + 1]).
struct TermRowsView {
  /// Distinct.
  StringsView terms;
  std::span<const std::uint32_t> indptr;
  /// Distinct in a row, in any order.
  std::span<const std::uint32_t> indices;
  /// 1 at least.
  std::span<const std::uint32_t> counts;

  [[nodiscard]] std::size_t rows() const { return indptr.empty() ? 0 : indptr.size() - 1; }
};

/// Whether every row can be read and terms and indices are distinct where they have to be. Errors: ERR_INVALID_ARGUMENT, with the place.
[[nodiscard]] Status validate(const TermRowsView& rows);

/// The places of the terms in ascending order of their bytes.
[[nodiscard]] std::vector<std::uint32_t> by_bytes(const StringsView& terms);

/// Terms of the documents that a segment is built of. What a call returns is valid until the next call. Errors: those of reading a file.
class TermSource {
 public:
  TermSource() = default;
  TermSource(const TermSource&) = delete;
  TermSource& operator=(const TermSource&) = delete;
  virtual ~TermSource() = default;

  /// All terms that documents may have, one by one, in strictly ascending order of their bytes, which numbers them; nothing after the last.
  [[nodiscard]] virtual Result<std::optional<std::string_view>> next_term() = 0;
  [[nodiscard]] virtual Result<std::uint32_t> length(std::uint32_t document) = 0;
  /// After the last term: the document's, by these numbers.
  [[nodiscard]] virtual Result<TermRow> term_row(std::uint32_t document) = 0;
};

/// The terms of one batch.
class BatchTerms final : public TermSource {
 public:
  /// @param rows checked by validate(); outlive this object
  explicit BatchTerms(const TermRowsView& rows);

  [[nodiscard]] Result<std::optional<std::string_view>> next_term() override;
  [[nodiscard]] Result<std::uint32_t> length(std::uint32_t document) override { return lengths_[document]; }
  [[nodiscard]] Result<TermRow> term_row(std::uint32_t document) override;

 private:
  const TermRowsView& rows_;
  std::vector<std::uint32_t> order_;  // by ordinal: the term's place in the batch
  std::size_t next_ = 0;
  std::vector<std::uint32_t> terms_;  // of all rows, as ordinals
  std::vector<std::uint16_t> counts_;
  std::vector<std::uint32_t> lengths_;
};

}  // namespace sparse_rerank
