#pragma once

#include <cstdint>
#include <span>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/segment.h"
#include "index/strings_view.h"

namespace sparse_rerank {

/// What a step of a filter puts on a stack of sets of documents.
enum class FilterOperation : std::uint32_t {
  /// Those with one of the next `count` strings as their id. Unknown ids do no harm.
  kIds,
  /// Those with an attribute in one of the next `count` ranges: two strings each, the first name and the one that ends the range.
  kRanges,
  /// Takes `count` sets: what all of them have.
  kAnd,
  /// Takes `count` sets: what one of them has.
  kOr,
  /// Takes one set: all other documents.
  kNot,
};

struct FilterStep {
  FilterOperation operation;
  std::uint32_t count;
};

/// Which documents a search may find, in postfix order.
struct FilterView {
  std::span<const FilterStep> steps;
  /// Those that the steps take, in order.
  StringsView strings;

  /// Whether the steps find all that they take, and leave one set.
  [[nodiscard]] bool valid() const;
};

/// The documents of a segment that pass, removed ones included; bits beyond the last document may be set.
/// @param filter valid
/// Errors: ERR_INDEX_CORRUPT.
[[nodiscard]] Result<Bitmap> matching(const Segment& segment, const FilterView& filter);

}  // namespace sparse_rerank
