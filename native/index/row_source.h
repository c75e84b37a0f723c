#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/result.h"
#include "index/attribute.h"
#include "index/sparse_rows.h"
#include "index/term_rows.h"

namespace sparse_rerank {

/// Documents that a segment is built of, numbered from 0. What a call returns is valid until the next call. Errors: those of reading a
/// segment file.
class RowSource {
 public:
  RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;
  virtual ~RowSource() = default;

  [[nodiscard]] virtual std::uint32_t documents() const = 0;
  /// Checked by validate(); zero weights may occur.
  [[nodiscard]] virtual Result<SparseRow> row(std::uint32_t document) = 0;
  [[nodiscard]] virtual Result<std::string_view> id(std::uint32_t document) = 0;
  /// Empty for a document that nothing was stored with.
  [[nodiscard]] virtual Result<std::span<const std::byte>> stored(std::uint32_t document) = 0;
  /// The attributes of all documents, one by one, in ascending order of the bytes of their names; nothing after the last.
  [[nodiscard]] virtual Result<std::optional<Attribute>> next_attribute() = 0;
  /// The documents' terms, which lives as long as the source. Null unless the index has a lexical side.
  [[nodiscard]] virtual TermSource* terms() = 0;
};

}  // namespace sparse_rerank
