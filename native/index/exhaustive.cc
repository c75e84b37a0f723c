#include "index/exhaustive.h"

#include <algorithm>

#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

/// Scores tested at once: the test has no early exit within a chunk, so that the compiler can vectorise it.
constexpr std::uint32_t kChunk = 64;

template <typename Test>
bool any_of_chunk(const float* scores, Test test) {
  unsigned found = 0;
  for (std::uint32_t i = 0; i < kChunk; ++i) found |= static_cast<unsigned>(test(scores[i]));
  return found != 0;
}

/// Most chunks have no candidate, least of all once `top` is full.
bool may_have_hits(const float* scores, const TopK& top) {
  if (!top.full()) return any_of_chunk(scores, [](float score) { return score != 0.0f; });
  return any_of_chunk(scores, [worst = top.worst()](float score) { return score > worst; });
}

bool is_hit(float score) {
  return score < 0.0f || score > 0.0f;
}

void collect(const float* scores, BlockRange range, const std::vector<bool>& removed, TopK& top) {
  for (std::uint32_t begin = 0; begin < range.documents; begin += kChunk) {
    const std::uint32_t end = std::min(begin + kChunk, range.documents);
    if (end - begin == kChunk && !may_have_hits(scores + begin, top)) continue;
    for (std::uint32_t i = begin; i < end; ++i) {
      if (!is_hit(scores[i]) || (top.full() && scores[i] <= top.worst())) continue;
      const std::uint32_t slot = range.first_slot + i;
      if (!removed[slot]) top.push({slot, scores[i]});
    }
  }
}

}  // namespace

void score_exhaustively(std::span<const QueryList> lists, BlockRange range, const std::vector<bool>& removed, float* scores, TopK& top) {
  std::fill_n(scores, range.documents, 0.0f);
  for (const QueryList& list : lists) {
    accumulate(list.postings.documents.data(), list.postings.weights.data(), list.postings.documents.size(), list.query_weight, scores);
  }
  collect(scores, range, removed, top);
}

}  // namespace sparse_rerank
