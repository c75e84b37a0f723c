#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/result.h"
#include "index/search_scratch.h"

namespace sparse_rerank {

/// How much work a search does.
struct SearchEffort {
  /// The part of the query's largest possible score that the terms kept must make up; terms of small contributions go first. 1 keeps all.
  float mass = 1.0f;
  /// 1: a document is scored if its bound may reach the k-th best score. Less: only if it may reach so many times that score.
  [[nodiscard]] bool exact() const { return mass >= 1.0f; }
};

/// A query in the integers of a segment's postings: a document's bound is the sum, over the query's terms, of
/// floor(quantised weight * factor / 256), at most 65535. Its exact score is at most what reaches() compares.
class ScreenPlan {
 public:
  struct Term {
    std::size_t ordinal;
    /// 256 at least, so that a document with a common term has a bound above zero.
    std::uint16_t factor;
  };

  /// Nothing when weights below zero leave no bound. Errors: ERR_INDEX_CORRUPT.
  static Result<std::optional<ScreenPlan>> make(const Segment& segment, const SparseQuery& query, const SearchEffort& effort);

  [[nodiscard]] const std::vector<Term>& terms() const { return terms_; }
  /// The smallest bound, 1 at least, of documents that may score `score` or more.
  [[nodiscard]] std::uint16_t least_bound(float score) const;

 private:
  std::vector<Term> terms_;
  double unit_ = 1.0;   // of the bounds, in scores, rounding included
  double share_ = 1.0;  // of a score that the kept terms are expected to give
  double denormal_ = 0.0;
};

}  // namespace sparse_rerank
