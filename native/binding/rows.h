#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/snapshot.h"
#include "index/sparse_rows.h"
#include "index/term_rows.h"

/// Copies of bulk data from JavaScript. JS thread.
namespace sparse_rerank::binding {

/// Compressed sparse rows that own their memory.
struct Rows {
  std::vector<std::uint32_t> indptr;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;

  [[nodiscard]] SparseRowsView view() const { return {indptr, indices, values}; }
};

/// Copies rows without checking them.
Rows copy_rows(const Napi::Value& value);
/// Copies rows and checks that they are consistent.
Rows read_rows(const Napi::Value& value, std::size_t dimension);

/// Strings, or other byte strings, that own their memory.
struct Strings {
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> bytes;

  [[nodiscard]] StringsView view() const { return {offsets, std::as_bytes(std::span(bytes))}; }
};

/// Copies and checks { offsets, bytes }; empty for undefined.
Strings read_strings(const Napi::Value& value);

/// Attributes that own their memory.
struct Attributes {
  Strings names;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint32_t> documents;

  [[nodiscard]] AttributesView view() const { return {names.view(), offsets, documents}; }
};

/// Copies and checks { names, offsets, documents }, the attributes of `rows` documents; empty for undefined.
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

/// Copies and checks { steps, strings }, with two numbers per step.
Filter read_filter(const Napi::Value& value);

}  // namespace sparse_rerank::binding
