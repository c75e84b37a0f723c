#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "index/strings_view.h"

namespace sparse_rerank {

/// A byte string that documents have: a field of their metadata with one of its values (docs/sparse-index-format.md), of which filters are
/// made.
struct Attribute {
  std::string_view name;
  /// Ascending.
  std::span<const std::uint32_t> documents;
};

/// The attributes of one batch: documents [offsets[i], offsets[i + 1]) of `documents` have attribute i.
struct AttributesView {
  /// Distinct, in any order.
  StringsView names;
  std::span<const std::uint32_t> offsets;
  std::span<const std::uint32_t> documents;

  [[nodiscard]] Attribute operator[](std::size_t i) const {
    return {names.text(i), documents.subspan(offsets[i], offsets[i + 1] - offsets[i])};
  }
  /// Whether every attribute can be read, and names documents of a batch of this many.
  [[nodiscard]] bool valid(std::size_t rows) const {
    return names.valid() && offsets.size() == names.offsets.size() && offsets.front() == 0 && offsets.back() == documents.size() &&
           std::is_sorted(offsets.begin(), offsets.end()) &&
           std::all_of(documents.begin(), documents.end(), [rows](std::uint32_t document) { return document < rows; });
  }
};

}  // namespace sparse_rerank
