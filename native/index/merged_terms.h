#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/snapshot.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// The terms of some segments' documents: their dictionaries as one, and rows by its numbers. Holds 4 bytes for each term of each segment.
/// Errors: ERR_INDEX_CORRUPT.
class MergedTerms final : public TermSource {
 public:
  /// @param segments all with a lexical side
  /// @param origins where each document comes from; both outlive this object
  MergedTerms(const std::vector<IndexSegment>& segments, const std::vector<Location>& origins);

  [[nodiscard]] Result<std::optional<std::string_view>> next_term() override;
  [[nodiscard]] Result<std::uint32_t> length(std::uint32_t document) override;
  [[nodiscard]] Result<TermRow> term_row(std::uint32_t document) override;

 private:
  /// The dictionary of one segment, as it is merged.
  struct Cursor {
    const SegmentTerms* lexical;
    /// By ordinal, as far as it was merged.
    std::vector<std::uint32_t> numbers;
    /// The term that comes next; empty at the end.
    std::optional<std::string_view> term;
  };
  [[nodiscard]] Status advance(Cursor& cursor) const;

  const std::vector<Location>& origins_;
  std::vector<Cursor> cursors_;
  bool begun_ = false;
  std::uint32_t next_ = 0;  // number
  std::vector<std::uint32_t> terms_;
};

}  // namespace sparse_rerank
