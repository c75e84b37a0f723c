#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "index/snapshot.h"

namespace sparse_rerank {

/// Which of a query's terms documents have. One thread.
class MatchedTerms {
 public:
  /// @param snapshot of an index with a lexical side; outlives this object, as the bytes of the terms do
  MatchedTerms(const Snapshot& snapshot, std::vector<std::string_view> terms);

  [[nodiscard]] std::size_t terms() const { return terms_.size(); }
  /// @param matched [terms()]: 1 for each term that the document has, else 0
  /// Errors: ERR_INDEX_CORRUPT.
  [[nodiscard]] Status read(const Location& location, std::span<std::uint8_t> matched);

 private:
  /// The terms' ordinals in a segment, looked up when its first document is read.
  [[nodiscard]] Result<std::span<const std::uint32_t>> ordinals(std::size_t segment);

  const Snapshot* snapshot_;
  std::vector<std::string_view> terms_;
  std::vector<std::vector<std::uint32_t>> ordinals_;  // by segment; empty until it is needed
  std::vector<std::uint32_t> row_;                    // memory for the terms of a document
};

}  // namespace sparse_rerank
