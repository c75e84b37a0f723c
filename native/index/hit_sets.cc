#include "index/hit_sets.h"

#include <bit>
#include <utility>

#include "index/cancel.h"

namespace sparse_rerank {

namespace {

/// A product that no rounding makes zero.
constexpr double kSafeProduct = 1e-30;

/// Calls visit(document, quantised weight) for each posting that its chunk has a document for.
template <typename Visit>
void for_each_posting(const Postings& list, const Chunk& chunk, Visit visit) {
  const auto& [documents, masks, weights] = list;
  if (masks == nullptr) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (documents[i] < chunk.documents) visit(chunk.first + documents[i], weights[i]);
    }
    return;
  }
  std::size_t next = 0;
  for (std::uint32_t group = 0; group < groups_of(chunk.documents); ++group) {
    for (std::uint64_t mask = masks[group]; mask != 0 && next < weights.size(); mask &= mask - 1, ++next) {
      const std::uint32_t document = group * kGroupDocuments + static_cast<std::uint32_t>(std::countr_zero(mask));
      if (document < chunk.documents) visit(chunk.first + document, weights[next]);
    }
  }
}

/// Adds those of the candidates whose score is not zero.
Status add_scored(const SegmentView& view, const Bitmap& candidates, const SearchScratch& scratch, Bitmap& set,
                  const std::atomic<bool>* cancel) {
  for (std::size_t word = 0; word < candidates.size(); ++word) {
    if (candidates[word] == 0) continue;
    if (is_cancelled(cancel)) return aborted();
    for (std::uint64_t bits = candidates[word]; bits != 0; bits &= bits - 1) {
      const auto document = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      if (document >= view.segment.documents() || view.excludes(document)) continue;
      const Result<float> score = view.segment.score(document, scratch.dense.data());
      if (!score) return score.error();
      if (score.value() < 0.0f || score.value() > 0.0f) set_bit(set, document);
    }
  }
  return std::nullopt;
}

}  // namespace

Status add_hits(const SegmentView& view, const SparseQuery& query, SearchScratch& scratch, Bitmap& set, const std::atomic<bool>* cancel) {
  const Segment& segment = view.segment;
  Bitmap unsure(set.size());
  std::vector<std::pair<Segment::Term, float>> terms;
  for (std::size_t i = 0; i < query.terms.size(); ++i) {
    const auto found = segment.find_term(query.terms[i]);
    if (!found) return found.error();
    const auto& term = found.value();
    if (!term || query.weights[i] == 0.0f) continue;
    // Products may cancel out, and lists have positive weights only.
    if (query.weights[i] < 0.0f || term->range.smallest < 0.0f) {
      unsure.assign(unsure.size(), ~std::uint64_t{0});
      return add_scored(view, unsure, scratch, set, cancel);
    }
    terms.emplace_back(*term, query.weights[i]);
  }
  for (std::size_t chunk = 0; chunk < segment.chunks().size(); ++chunk) {
    if (is_cancelled(cancel)) return aborted();
    for (const auto& [term, weight] : terms) {
      const Result<Postings> list = segment.postings(chunk, term.ordinal);
      if (!list) return list.error();
      // A weight of 2 stands for more than one of the 255 steps; what has 1 may be as small as any number.
      const double step = static_cast<double>(weight) * static_cast<double>(term.range.largest) / kWeightLevels;
      const unsigned least = step >= kSafeProduct ? 2 : kWeightLevels + 1;
      for_each_posting(list.value(), segment.chunks()[chunk],
                       [&](std::uint32_t document, std::uint8_t quantised) { set_bit(quantised >= least ? set : unsure, document); });
    }
  }
  for (std::size_t i = 0; i < unsure.size(); ++i) unsure[i] &= ~set[i];
  return add_scored(view, unsure, scratch, set, cancel);
}

Status add_hits(const SegmentTerms& lexical, const std::vector<std::uint32_t>& terms, Bitmap& set, const std::atomic<bool>* cancel) {
  const auto chunks = lexical.chunks();
  if (!chunks) return chunks.error();
  for (std::size_t chunk = 0; chunk < chunks.value().size(); ++chunk) {
    if (is_cancelled(cancel)) return aborted();
    for (const std::uint32_t ordinal : terms) {
      if (ordinal == kNoOrdinal) continue;
      const Result<Postings> list = lexical.postings(chunks.value(), chunk, ordinal);
      if (!list) return list.error();
      for_each_posting(list.value(), chunks.value()[chunk], [&](std::uint32_t document, std::uint8_t) { set_bit(set, document); });
    }
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
