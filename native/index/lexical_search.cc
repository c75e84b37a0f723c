#include "index/lexical_search.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "index/screened_chunks.h"

namespace sparse_rerank {

namespace {

/// The terms of a segment's documents.
struct TermField {
  const SegmentTerms& lexical;
  std::span<const Chunk> all_chunks;
  std::uint32_t first_slot;
  std::span<const WeightedTerm> query;
  double average_length;

  [[nodiscard]] std::span<const Chunk> chunks() const { return all_chunks; }
  [[nodiscard]] Result<Postings> postings(std::size_t chunk, std::size_t ordinal) const {
    return lexical.postings(all_chunks, chunk, ordinal);
  }
  void prefetch_row(std::uint32_t document) const { lexical.prefetch_row(document); }
  [[nodiscard]] Status offer(std::uint32_t document, SearchScratch& scratch) const {
    ++scratch.rows_scored;
    const Result<double> score = lexical.score(document, query, average_length);
    if (!score) return score.error();
    if (score.value() > 0.0) scratch.top.offer({first_slot + document, static_cast<float>(score.value())});
    return std::nullopt;
  }
};

/// Adds the segment's part to the statistics.
Status count_terms(const IndexSegment& segment, const std::vector<std::string_view>& terms, TermStatistics& statistics,
                   std::uint64_t& total_length) {
  const SegmentTerms& lexical = *segment.segment->lexical();
  std::shared_ptr<const RemovedCounts> removed;
  if (segment.removed_terms != nullptr) {
    auto counts = segment.removed_terms->counts();
    if (!counts) return std::move(counts).error();
    removed = std::move(counts).value();
  }
  total_length += lexical.total_length() - std::min(removed == nullptr ? 0 : removed->total_length(), lexical.total_length());
  std::vector<std::uint32_t>& ordinals = statistics.ordinals.emplace_back(terms.size(), kNoOrdinal);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const auto found = lexical.find(terms[i]);
    if (!found) return found.error();
    const auto& ordinal = found.value();
    if (!ordinal) continue;
    ordinals[i] = *ordinal;
    const Result<std::uint32_t> having = lexical.documents_with(ordinals[i]);
    if (!having) return having.error();
    const std::uint32_t gone = removed == nullptr ? 0 : removed->documents_with(ordinals[i]);
    statistics.having[i] += having.value() - std::min(gone, having.value());
  }
  return std::nullopt;
}

/// The bounds of a query in one segment.
Result<ScreenPlan> plan_of(const SegmentTerms& lexical, std::span<const WeightedTerm> query, double average_length) {
  const double ratio = lexical.bm25().impact_ratio(average_length, lexical.average_length());
  std::vector<ScreenPlan::Contribution> contributions;
  contributions.reserve(query.size());
  for (const auto& [ordinal, weight] : query) {
    const Result<float> largest = lexical.largest_impact(ordinal);
    if (!largest) return largest.error();
    contributions.push_back({ordinal, weight * ratio * static_cast<double>(largest.value())});
  }
  return ScreenPlan::of(std::move(contributions), {}, 1.0);
}

}  // namespace

Error no_lexical_side() {
  return {"ERR_INVALID_ARGUMENT", "The index was made without a lexical side; it has no terms to search."};
}

LexicalQuery lexical_query(const TermRowsView& rows, std::size_t row) {
  std::vector<std::pair<std::string_view, std::uint32_t>> terms;
  for (std::uint32_t i = rows.indptr[row]; i < rows.indptr[row + 1]; ++i)
    terms.emplace_back(rows.terms.text(rows.indices[i]), rows.counts[i]);
  std::sort(terms.begin(), terms.end());
  LexicalQuery query;
  for (const auto& [term, count] : terms) {
    query.terms.push_back(term);
    query.counts.push_back(count);
  }
  return query;
}

Result<TermStatistics> term_statistics(const Snapshot& snapshot, const std::vector<std::string_view>& terms) {
  TermStatistics statistics;
  statistics.documents = snapshot.documents();
  statistics.having.resize(terms.size());
  statistics.ordinals.reserve(snapshot.segments.size());
  std::uint64_t total_length = 0;
  for (const IndexSegment& segment : snapshot.segments) {
    if (Status error = count_terms(segment, terms, statistics, total_length)) return *std::move(error);
  }
  // Only a file that lies has more.
  for (std::uint64_t& having : statistics.having) having = std::min(having, statistics.documents);
  if (statistics.documents > 0) statistics.average_length = static_cast<double>(total_length) / static_cast<double>(statistics.documents);
  return statistics;
}

Status search_terms(const Snapshot& snapshot, const LexicalQuery& query, std::size_t k, const Exclusions& exclusions,
                    SearchScratch& scratch, std::vector<Hit>& out, const std::atomic<bool>* cancel) {
  out.clear();
  if (!snapshot.settings.lexical) return no_lexical_side();
  if (k == 0 || query.terms.empty()) return std::nullopt;
  const Result<TermStatistics> counted = term_statistics(snapshot, query.terms);
  if (!counted) return counted.error();
  const TermStatistics& statistics = counted.value();
  if (!(statistics.average_length > 0.0)) return std::nullopt;
  scratch.top.reset(k);
  std::uint32_t first_slot = 0;
  std::vector<WeightedTerm> weighted;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const Segment& segment = *snapshot.segments[i].segment;
    const SegmentTerms& lexical = *segment.lexical();
    weighted.clear();
    for (std::size_t j = 0; j < query.terms.size(); ++j) {
      if (statistics.ordinals[i][j] == kNoOrdinal) continue;
      weighted.push_back({statistics.ordinals[i][j], query.counts[j] * Bm25::idf(statistics.documents, statistics.having[j])});
    }
    if (!weighted.empty()) {
      const auto chunks = lexical.chunks();
      if (!chunks) return chunks.error();
      const Result<ScreenPlan> plan = plan_of(lexical, weighted, statistics.average_length);
      if (!plan) return plan.error();
      const TermField field = {lexical, chunks.value(), first_slot, weighted, statistics.average_length};
      const std::uint64_t* const excluded = exclusions[i] == nullptr ? nullptr : exclusions[i]->data();
      if (Status error = search_chunks(field, excluded, plan.value(), scratch, cancel)) return error;
    }
    first_slot += segment.documents();
  }
  scratch.top.take(out);
  return std::nullopt;
}

}  // namespace sparse_rerank
