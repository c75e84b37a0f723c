#include "index/impact_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/exhaustive.h"
#include "index/screen_plan.h"
#include "index/screened_chunks.h"

namespace sparse_rerank {

namespace {

constexpr std::uint32_t kLargestSum = 65535;
constexpr std::size_t kBucketBits = 6;
constexpr std::size_t kBuckets = (std::size_t{kLargestSum} + 1) >> kBucketBits;
using Histogram = std::array<std::uint64_t, kBuckets>;

/// What budgets were calibrated for.
constexpr double kCalibratedHits = 10.0;
/// More hits than these, filters counted in, take the screened search as little time.
constexpr double kMostHits = 200.0;

/// The highest bucket from which on there are `count` or more, 0 when there are fewer.
std::size_t bucket_of(const Histogram& histogram, std::uint64_t count) {
  std::uint64_t total = 0;
  for (std::size_t bucket = kBuckets; bucket-- > 0;) {
    total += histogram[bucket];
    if (total >= count) return bucket;
  }
  return 0;
}

std::uint64_t count_excluded(const SegmentView& view) {
  if (view.excluded == nullptr) return 0;
  std::uint64_t count = 0;
  const std::uint32_t documents = view.segment.documents();
  for (std::size_t word = 0; word < bitmap_words(documents); ++word) {
    const std::size_t rest = documents - word * 64;
    const std::uint64_t mask = rest >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rest) - 1;
    count += static_cast<std::uint64_t>(std::popcount(view.excluded[word] & mask));
  }
  return count;
}

class ImpactSearch {
 public:
  ImpactSearch(const SegmentView& view, const ScreenPlan& plan, SearchScratch& scratch)
      : view_(view), plan_(plan), scratch_(scratch), mask_(std::bit_ceil(view.segment.documents()) - 1) {}

  /// Finds the runs to read.
  [[nodiscard]] Status plan_runs(std::uint64_t budget) {
    Histogram postings{};
    scratch_.runs.clear();
    for (const auto& [ordinal, factor] : plan_.terms()) {
      const Result<Segment::ImpactList> list = view_.segment.impacts(ordinal);
      if (!list) return list.error();
      const std::uint32_t* documents = list.value().documents;
      for (const std::uint32_t run : list.value().runs) {
        const std::uint32_t count = run >> 8;
        const auto contribution = static_cast<std::uint16_t>((run & 0xffu) * factor >> 8);
        scratch_.runs.push_back({documents, count, contribution});
        postings[contribution >> kBucketBits] += count;
        documents += count;
      }
    }
    // A bucket that exceeds the budget is left out, but for the first.
    std::size_t bucket = bucket_of(postings, budget);
    if (std::accumulate(postings.begin() + static_cast<std::ptrdiff_t>(bucket), postings.end(), std::uint64_t{0}) > budget &&
        std::any_of(postings.begin() + static_cast<std::ptrdiff_t>(bucket) + 1, postings.end(), [](std::uint64_t n) { return n > 0; })) {
      ++bucket;
    }
    const auto least = static_cast<std::uint16_t>(bucket << kBucketBits);
    std::erase_if(scratch_.runs, [least](const ImpactRun& run) { return run.contribution < least; });
    return std::nullopt;
  }

  /// Adds up the runs, and collects the documents that have a sum and are not excluded, each once.
  void collect() {
    if (scratch_.sums.size() <= mask_) scratch_.sums.resize(std::size_t{mask_} + 1);
    std::size_t postings = 0;
    for (const ImpactRun& run : scratch_.runs) postings += run.count;
    // One more: each is written before it is known to count.
    if (scratch_.summed.size() <= postings) {
      scratch_.summed.resize(postings + 1);
      scratch_.summed_sums.resize(postings + 1);
    }
    // From here to the end nothing fails: the sums have to become zeros again.
    std::uint16_t* const sums = scratch_.sums.data();
    const std::uint32_t mask = mask_;
    // Copies: stores to the sums could change references, as far as the compiler knows.
    for (const ImpactRun run : scratch_.runs) {
      for (std::uint32_t i = 0; i < run.count; ++i) {
        // The mask bounds what a damaged file may say.
        std::uint16_t& sum = sums[run.documents[i] & mask];
        sum = static_cast<std::uint16_t>(std::min<std::uint32_t>(std::uint32_t{sum} + run.contribution, kLargestSum));
      }
    }
    const std::uint32_t end = view_.segment.documents();
    std::uint32_t* const documents = scratch_.summed.data();
    std::uint16_t* const their_sums = scratch_.summed_sums.data();
    std::size_t found = 0;
    for (const ImpactRun run : scratch_.runs) {
      for (std::uint32_t i = 0; i < run.count; ++i) {
        const std::uint32_t document = run.documents[i] & mask;
        const std::uint16_t sum = sums[document];
        sums[document] = 0;
        documents[found] = document;
        their_sums[found] = sum;
        found += sum != 0 && document < end ? 1 : 0;
      }
    }
    candidates_ = found;
    if (view_.excluded == nullptr) return;
    keep([this](std::size_t i) { return !view_.excludes(scratch_.summed[i]); });
  }

  [[nodiscard]] std::size_t candidates() const { return candidates_; }

  /// Scores the candidates that may be among the best.
  [[nodiscard]] Status score() {
    std::size_t first = kBuckets;
    if (!scratch_.top.full()) {
      Histogram sums{};
      for (std::size_t i = 0; i < candidates_; ++i) ++sums[scratch_.summed_sums[i] >> kBucketBits];
      first = bucket_of(sums, scratch_.top.k());
      for (std::size_t i = 0; i < candidates_; ++i) {
        if (scratch_.summed_sums[i] >> kBucketBits < first) continue;
        if (Status error = offer_document(view_, scratch_.summed[i], scratch_)) return error;
      }
    }
    const std::uint16_t least = least_sum();
    keep([&](std::size_t i) { return scratch_.summed_sums[i] >= least && scratch_.summed_sums[i] >> kBucketBits < first; });
    std::vector<std::uint32_t>& order = scratch_.order;
    order.resize(candidates_);
    std::iota(order.begin(), order.end(), 0u);
    const std::vector<std::uint16_t>& sums = scratch_.summed_sums;
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return sums[a] > sums[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (sums[order[i]] < least_sum()) break;
      if (i + kPrefetchedRows < order.size()) view_.segment.prefetch_row(scratch_.summed[order[i + kPrefetchedRows]]);
      if (Status error = offer_document(view_, scratch_.summed[order[i]], scratch_)) return error;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::uint16_t least_sum() const { return scratch_.top.full() ? plan_.least_bound(scratch_.top.worst()) : 1; }

  /// Keeps the candidates that pass(place).
  template <typename Pass>
  void keep(Pass pass) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < candidates_; ++i) {
      const bool passes = pass(i);
      scratch_.summed[kept] = scratch_.summed[i];
      scratch_.summed_sums[kept] = scratch_.summed_sums[i];
      kept += passes ? 1 : 0;
    }
    candidates_ = kept;
  }

  const SegmentView& view_;
  const ScreenPlan& plan_;
  SearchScratch& scratch_;
  const std::uint32_t mask_;
  std::size_t candidates_ = 0;
};

}  // namespace

Result<bool> search_impacts(const SegmentView& view, const SparseQuery& query, const ImpactLevel& level, SearchScratch& scratch,
                            const std::atomic<bool>* cancel) {
  const std::uint64_t documents = view.segment.documents();
  const std::uint64_t passing = documents - count_excluded(view);
  if (passing == 0) return true;
  // Of k hits that a filter passes, the last is the k / share-th of all.
  const double hits = static_cast<double>(scratch.top.k()) * static_cast<double>(documents) / static_cast<double>(passing);
  if (hits > kMostHits) return false;
  const auto made = ScreenPlan::make(view.segment, query, {1.0f, level.threshold});
  if (!made) return made.error();
  if (!made.value()) return false;
  if (made.value()->terms().empty()) return true;
  if (is_cancelled(cancel)) return aborted();
  const double budget = level.budget * std::sqrt(std::max(hits / kCalibratedHits, 1.0));
  ImpactSearch search(view, *made.value(), scratch);
  if (Status error = search.plan_runs(static_cast<std::uint64_t>(budget))) return *std::move(error);
  search.collect();
  // Nothing that was left out makes up for what is not there.
  if (search.candidates() < scratch.top.k()) return false;
  if (is_cancelled(cancel)) return aborted();
  if (Status error = search.score()) return *std::move(error);
  return true;
}

}  // namespace sparse_rerank
