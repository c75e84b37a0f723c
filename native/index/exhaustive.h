#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/posting_block.h"
#include "index/topk.h"

namespace sparse_rerank {

/// A posting list and the weight of its term in the query.
struct QueryList {
  PostingList postings;
  float query_weight;
};

/// Documents [first_slot, first_slot + documents) of the index.
struct BlockRange {
  std::uint32_t first_slot;
  std::uint32_t documents;
};

/// Scores every document of one block, term at a time, and gives the hits to `top`.
///
/// This is the definition of an exact score: from +0, for the query's terms in ascending order, add the product of query weight and
/// document weight, each product and each sum rounded to float32. A hit is a document whose score is not zero. So a document without a
/// common term is no hit, and neither is one whose products cancel out or underflow to zero. NaN, which only weights above 1e19 of both
/// signs can give, has no place in an order and is no hit either; infinite scores are.
///
/// @param lists of the query's terms in ascending term order
/// @param removed by slot: documents that are no hits
/// @param scores scratch, [range.documents]
void score_exhaustively(std::span<const QueryList> lists, BlockRange range, const std::vector<bool>& removed, float* scores, TopK& top);

}  // namespace sparse_rerank
