#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/search_scratch.h"
#include "index/segment.h"

namespace sparse_rerank {

/// Measures what recall each pruning level has on a segment: parts of its own documents are the queries, each searched among all the
/// others, and the hits compared with those of the exact search. In short steps, so that the thread can do other work between them.
///
/// A whole document is an easier query than real ones, which are shorter. Half of the queries are the heaviest quarter of a document's
/// weights, half are every fourth weight: on the collections of docs/decisions/0009, the recall of real queries lies between theirs or near
/// the second.
class Calibration {
 public:
  /// Smaller segments are searched exactly: little can be saved there.
  static constexpr std::uint32_t kLeastDocuments = 4096;

  /// @param segment must outlive this object
  explicit Calibration(const Segment& segment);

  /// One query. Settles with whether it was the last. Errors: ERR_INDEX_CORRUPT.
  [[nodiscard]] Result<bool> step();
  /// After the last step. No recall is known where pruning is of no use: with weights below zero, or very many equal scores.
  [[nodiscard]] const PruningLevels& levels() const { return levels_; }

 private:
  [[nodiscard]] Status read_query(std::uint32_t document);
  [[nodiscard]] Status search(const Pruning& pruning, std::vector<Hit>& out);
  [[nodiscard]] Status compare();

  const Segment& segment_;
  PruningLevels levels_{};
  std::uint32_t next_ = 0;  // query
  std::uint64_t exact_hits_ = 0;
  std::array<std::uint64_t, kPruningLevels> found_{};

  Bitmap excluded_;  // the document that the query was made of
  std::vector<std::uint32_t> row_terms_;
  std::vector<std::uint32_t> terms_;
  std::vector<float> weights_;
  SearchScratch scratch_;
  std::vector<Hit> exact_;
  std::vector<Hit> pruned_;
};

}  // namespace sparse_rerank
