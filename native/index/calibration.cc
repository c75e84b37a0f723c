#include "index/calibration.h"

#include <algorithm>
#include <array>
#include <numeric>

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

Status Calibration::search(const Pruning& pruning, std::vector<Hit>& out) {
  scratch_.top.reset(kHits);
  if (Status error = search_screened({segment_, 0, excluded_.data()}, {terms_, weights_}, pruning, scratch_, nullptr)) return error;
  scratch_.top.take(out);
  std::sort(out.begin(), out.end(), [](const Hit& a, const Hit& b) { return a.slot < b.slot; });
  return std::nullopt;
}

Status Calibration::compare() {
  if (Status error = search({}, exact_)) return error;
  exact_hits_ += exact_.size();
  for (std::size_t level = 0; level < kPruningLevels; ++level) {
    if (Status error = search(kPrunings[level], pruned_)) return error;
    for (const Hit& hit : pruned_) {
      const auto same = std::lower_bound(exact_.begin(), exact_.end(), hit, [](const Hit& a, const Hit& b) { return a.slot < b.slot; });
      if (same != exact_.end() && same->slot == hit.slot) ++found_[level];
    }
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
