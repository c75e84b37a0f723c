#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/result.h"
#include "index/search_scratch.h"

namespace sparse_rerank {

/// A query in the integers of a segment's postings: a document's bound is the sum, over the query's terms, of
/// floor(quantized weight * factor / 256), at most 65535. least_bound() says which bounds may stand for a score.
class ScreenPlan {
 public:
  struct Term {
    std::size_t ordinal;
    /// 256 at least, so that a document with a common term has a bound above zero.
    std::uint16_t factor;
  };

  /// A term of the query that the segment has.
  struct Contribution {
    std::size_t ordinal;
    /// Of the term to the score of any document, at most: what the largest quantised weight, 255, stands for.
    double largest;
  };
  /// For scores that are rounded as those of vectors are, or more exactly.
  /// @param overflow how many times the largest bound the sum of all contributions is. Where no document comes near that sum, the unit may
  ///   be finer; bounds that stop at 65535 count as unlimited.
  static ScreenPlan of(std::vector<Contribution> contributions, const Pruning& pruning, double overflow);

  /// The plan for a segment's vectors; nothing when weights below zero leave no bound. Errors: ERR_INDEX_CORRUPT.
  static Result<std::optional<ScreenPlan>> make(const Segment& segment, const SparseQuery& query, const Pruning& pruning);

  [[nodiscard]] const std::vector<Term>& terms() const { return terms_; }
  /// The smallest bound, 1 at least, of documents that are worth scoring when `score` has to be reached: without pruning, of all that may.
  [[nodiscard]] std::uint16_t least_bound(float score) const;

 private:
  std::vector<Term> terms_;
  double unit_ = 1.0;  // of the bounds, in scores, rounding included
  double denormal_ = 0.0;
  double threshold_ = 1.0;
};

}  // namespace sparse_rerank
