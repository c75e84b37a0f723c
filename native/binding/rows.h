#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/snapshot.h"
#include "index/sparse_rows.h"

/// Copies of what JavaScript passes in bulk. JS thread.
namespace sparse_rerank::binding {

/// Compressed sparse rows with memory of their own.
struct Rows {
  std::vector<std::uint32_t> indptr;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;

  [[nodiscard]] SparseRowsView view() const { return {indptr, indices, values}; }
};

/// A copy of rows, not checked.
Rows copy_rows(const Napi::Value& value);
/// A copy of rows that hold together, whatever JavaScript gave.
Rows read_rows(const Napi::Value& value, std::size_t dimension);

/// Strings, or other bytes, with memory of their own.
struct Strings {
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> bytes;

  [[nodiscard]] StringsView view() const { return {offsets, std::as_bytes(std::span(bytes))}; }
};

/// A copy of { offsets, bytes } that hold together; none for undefined.
Strings read_strings(const Napi::Value& value);

}  // namespace sparse_rerank::binding
