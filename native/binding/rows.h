#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/snapshot.h"
#include "index/sparse_rows.h"
#include "index/term_rows.h"

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

/// Attributes with memory of their own.
struct Attributes {
  Strings names;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint32_t> documents;

  [[nodiscard]] AttributesView view() const { return {names.view(), offsets, documents}; }
};

/// A copy of { names, offsets, documents } that hold together, of this many documents; none for undefined.
Attributes read_attributes(const Napi::Value& value, std::size_t rows);

/// Term frequencies with memory of their own.
struct TermRows {
  Strings terms;
  std::vector<std::uint32_t> indptr;
  std::vector<std::uint32_t> indices;
  std::vector<std::uint32_t> counts;

  [[nodiscard]] TermRowsView view() const { return {terms.view(), indptr, indices, counts}; }
};

/// A copy of rows, not checked.
TermRows copy_term_rows(const Napi::Value& value);
/// A copy of rows that hold together, whatever JavaScript gave.
TermRows read_term_rows(const Napi::Value& value);

/// A filter with memory of its own.
struct Filter {
  std::vector<FilterStep> steps;
  Strings strings;

  [[nodiscard]] FilterView view() const { return {steps, strings.view()}; }
};

/// A copy of { steps: two numbers for each step, strings } that hold together.
Filter read_filter(const Napi::Value& value);

}  // namespace sparse_rerank::binding
