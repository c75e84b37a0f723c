#include "index/calibration.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "index/impact_search.h"
#include "index/screened_search.h"

namespace sparse_rerank {

namespace {

constexpr std::uint32_t kQueries = 64;
constexpr std::size_t kHits = 10;
/// Of a document's weights, one in as many is in a query; short documents give at least so many.
constexpr std::size_t kQueryPart = 4;
constexpr std::size_t kLeastWeights = 8;
/// More rows to score than these and one for each document: many equal scores, which pruning leaves all.
constexpr std::uint64_t kMostRows = 200'000;
/// The same of impact-ordered lists, whose cheap levels score more rows: with more, no level of them is used.
constexpr std::uint64_t kMostImpactRows = 1'000'000;

/// From some thirty pairs that were timed on the collections of docs/decisions/0009, for 10 and for 100 hits, those of little time for
/// their recall; the dearest first.
constexpr std::array<Pruning, kPruningLevels> kPrunings = {{
    {0.95f, 0.95f},
    {0.9f, 0.9f},
    {0.9f, 0.95f},
    {0.85f, 0.9f},
    {0.8f, 0.9f},
    {0.75f, 0.85f},
    {0.7f, 0.85f},
    {0.6f, 0.8f},
}};

/// Budgets and thresholds of little time for their recall: see docs/decisions/0022.
constexpr std::array<ImpactLevel, kImpactLevels> kImpacts = {{
    {512'000, 0.4f},
    {512'000, 0.5f},
    {128'000, 0.4f},
    {128'000, 0.5f},
    {128'000, 0.6f},
    {64'000, 0.5f},
    {64'000, 0.6f},
    {32'000, 0.6f},
}};

/// In the time that the screened search takes for a posting, from the measurements of docs/decisions/0022.
constexpr double kDocumentCost = 0.125;
constexpr double kRowCost = 500.0;
constexpr double kImpactCost = 5.0;

}  // namespace

Calibration::Calibration(const Segment& segment) : segment_(segment), excluded_(bitmap_words(segment.documents())) {
  scratch_.dense.resize(segment.dense_size());
}

Result<bool> Calibration::step() {
  const auto document = static_cast<std::uint32_t>(std::uint64_t{segment_.documents()} * next_ / kQueries);
  if (Status error = read_query(document)) return *std::move(error);
  const auto plan = ScreenPlan::make(segment_, {terms_, weights_}, {});
  if (!plan) return plan.error();
  if (!plan.value()) return true;
  set_bit(excluded_, document);
  for (std::size_t i = 0; i < terms_.size(); ++i) scratch_.dense[terms_[i]] = weights_[i];
  Status error = compare();
  for (const std::uint32_t term : terms_) scratch_.dense[term] = 0.0f;
  excluded_[document / 64] = 0;
  if (error) return *std::move(error);
  if (scratch_.rows_scored > segment_.documents() + kMostRows) return true;
  if (++next_ < kQueries) return false;
  if (exact_hits_ == 0) return true;
  for (std::size_t level = 0; level < kPruningLevels; ++level) {
    levels_[level] = {kPrunings[level], static_cast<float>(static_cast<double>(found_[level]) / static_cast<double>(exact_hits_))};
  }
  if (!segment_.has_impacts()) return true;
  if (impact_rows_ > segment_.documents() + kMostImpactRows) return true;
  const auto mean = [](double cost) { return static_cast<float>(cost / kQueries); };
  for (std::size_t level = 0; level < kImpactLevels; ++level) {
    impacts_.levels[level] = kImpacts[level];
    impacts_.levels[level].recall = static_cast<float>(static_cast<double>(impacts_found_[level]) / static_cast<double>(exact_hits_));
    impacts_.levels[level].cost = mean(impact_costs_[level]);
  }
  std::transform(pruned_costs_.begin(), pruned_costs_.end(), impacts_.pruned_costs.begin(), mean);
  impacts_.exact_cost = mean(exact_cost_);
  return true;
}

Status Calibration::read_query(std::uint32_t document) {
  const Result<SparseRow> read = segment_.row(document, row_terms_);
  if (!read) return read.error();
  const auto& [indices, values] = read.value();
  const std::size_t wanted = std::min(indices.size(), std::max(kLeastWeights, indices.size() / kQueryPart));
  std::vector<std::size_t> places(indices.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  if (next_ % 2 == 0) {
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  } else {
    // Places modulo the part first: every fourth, beginning elsewhere in each query.
    const auto turn = [&](std::size_t place) { return (place + next_ / 2) % kQueryPart; };
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
  }
  places.resize(wanted);
  std::sort(places.begin(), places.end());
  terms_.clear();
  weights_.clear();
  for (const std::size_t place : places) {
    terms_.push_back(indices[place]);
    weights_.push_back(values[place]);
  }
  return std::nullopt;
}

void Calibration::take_hits(std::vector<Hit>& out) {
  scratch_.top.take(out);
  std::sort(out.begin(), out.end(), [](const Hit& a, const Hit& b) { return a.slot < b.slot; });
}

Status Calibration::search(const Pruning& pruning, std::vector<Hit>& out) {
  scratch_.top.reset(kHits);
  if (Status error = search_screened({segment_, 0, excluded_.data()}, {terms_, weights_}, pruning, scratch_, nullptr)) return error;
  take_hits(out);
  return std::nullopt;
}

Status Calibration::search(const ImpactLevel& level, std::vector<Hit>& out) {
  scratch_.top.reset(kHits);
  const Result<bool> searched = search_impacts({segment_, 0, excluded_.data()}, {terms_, weights_}, level, scratch_, nullptr);
  if (!searched) return searched.error();
  // Without hits where another search has to do it.
  take_hits(out);
  return std::nullopt;
}

std::uint64_t Calibration::count_found(const std::vector<Hit>& hits) const {
  std::uint64_t count = 0;
  for (const Hit& hit : hits) {
    const auto same = std::lower_bound(exact_.begin(), exact_.end(), hit, [](const Hit& a, const Hit& b) { return a.slot < b.slot; });
    if (same != exact_.end() && same->slot == hit.slot) ++count;
  }
  return count;
}

Result<double> Calibration::screened_cost(const Pruning& pruning, std::uint64_t rows) const {
  const auto plan = ScreenPlan::make(segment_, {terms_, weights_}, pruning);
  if (!plan) return plan.error();
  double cost = kDocumentCost * segment_.documents() + kRowCost * static_cast<double>(rows);
  if (!plan.value()) return cost;
  for (std::size_t chunk = 0; chunk < segment_.chunks().size(); ++chunk) {
    for (const ScreenPlan::Term& term : plan.value()->terms()) {
      const Result<Postings> list = segment_.postings(chunk, term.ordinal);
      if (!list) return list.error();
      cost += static_cast<double>(list.value().weights.size());
    }
  }
  return cost;
}

Status Calibration::compare() {
  const auto add_cost = [this](const Pruning& pruning, std::uint64_t rows_before, double& cost) -> Status {
    if (!segment_.has_impacts()) return std::nullopt;
    const Result<double> added = screened_cost(pruning, scratch_.rows_scored - rows_before);
    if (!added) return added.error();
    cost += added.value();
    return std::nullopt;
  };
  std::uint64_t before = scratch_.rows_scored;
  if (Status error = search(Pruning(), exact_)) return error;
  if (Status error = add_cost(Pruning(), before, exact_cost_)) return error;
  exact_hits_ += exact_.size();
  for (std::size_t level = 0; level < kPruningLevels; ++level) {
    before = scratch_.rows_scored;
    if (Status error = search(kPrunings[level], pruned_)) return error;
    if (Status error = add_cost(kPrunings[level], before, pruned_costs_[level])) return error;
    found_[level] += count_found(pruned_);
  }
  return segment_.has_impacts() ? compare_impacts() : std::nullopt;
}

Status Calibration::compare_impacts() {
  for (std::size_t level = 0; level < kImpactLevels && impact_rows_ <= segment_.documents() + kMostImpactRows; ++level) {
    const std::uint64_t before = std::exchange(scratch_.rows_scored, 0);
    if (Status error = search(kImpacts[level], pruned_)) return error;
    impacts_found_[level] += count_found(pruned_);
    std::uint64_t postings = 0;
    for (const ImpactRun& run : scratch_.runs) postings += run.count;
    impact_costs_[level] += kImpactCost * static_cast<double>(postings) + kRowCost * static_cast<double>(scratch_.rows_scored);
    impact_rows_ += std::exchange(scratch_.rows_scored, before);
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
