#include "index/screen_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace sparse_rerank {

namespace {

constexpr double kLargestBound = 65535.0;
constexpr double kFactorOne = 256.0;
/// Of vectors.
constexpr double kOverflow = 2.0;
/// Each of n products and n sums adds half a unit in the last place at most: a factor of (1 + 2^-24)^(2n), generously.
constexpr double kRounding = 4.0 * 0x1p-24;

using Contribution = ScreenPlan::Contribution;

/// Drops the smallest ones that are not needed for `share` of the sum; returns the sum of the rest.
double keep_largest(std::vector<Contribution>& contributions, double sum, float share) {
  std::stable_sort(contributions.begin(), contributions.end(),
                   [](const Contribution& a, const Contribution& b) { return a.largest > b.largest; });
  double kept = 0.0;
  std::size_t count = 0;
  while (count < contributions.size() && kept < share * sum) kept += contributions[count++].largest;
  contributions.resize(count);
  return kept;
}

}  // namespace

Result<std::optional<ScreenPlan>> ScreenPlan::make(const Segment& segment, const SparseQuery& query, const Pruning& pruning) {
  std::vector<Contribution> contributions;
  for (std::size_t i = 0; i < query.terms.size(); ++i) {
    if (query.weights[i] == 0.0f) continue;
    const auto term = segment.find_term(query.terms[i]);
    if (!term) return term.error();
    if (!term.value()) continue;
    const auto& [ordinal, range] = *term.value();
    if (query.weights[i] < 0.0f || !(range.smallest >= 0.0f) || !(range.largest > 0.0f)) return std::optional<ScreenPlan>();
    contributions.push_back({ordinal, static_cast<double>(query.weights[i]) * range.largest});
  }
  return std::optional(of(std::move(contributions), pruning, kOverflow));
}

ScreenPlan ScreenPlan::of(std::vector<Contribution> contributions, const Pruning& pruning, double overflow) {
  double sum = 0.0;
  for (const Contribution& contribution : contributions) sum += contribution.largest;
  if (pruning.share < 1.0f) sum = keep_largest(contributions, sum, pruning.share);
  ScreenPlan plan;
  plan.threshold_ = pruning.threshold;
  double largest = 0.0;
  for (const Contribution& contribution : contributions) largest = std::max(largest, contribution.largest);
  // A quantised weight q stands for at most q / 255 of the term's largest weight.
  const double unit = std::max(sum / (kLargestBound * overflow), largest * kFactorOne / (kWeightLevels * kLargestBound));
  plan.terms_.reserve(contributions.size());
  for (const Contribution& contribution : contributions) {
    const double factor = std::ceil(contribution.largest * kFactorOne / (kWeightLevels * unit));
    plan.terms_.push_back({contribution.ordinal, static_cast<std::uint16_t>(std::clamp(factor, kFactorOne, kLargestBound))});
  }
  const auto n = static_cast<double>(contributions.size());
  plan.unit_ = unit * (1.0 + (n + 2.0) * kRounding);
  plan.denormal_ = 2.0 * n * static_cast<double>(std::numeric_limits<float>::denorm_min());
  return plan;
}

std::uint16_t ScreenPlan::least_bound(float score) const {
  // A sum beyond the largest float is as good as any other.
  const double target = threshold_ * std::min(score, std::numeric_limits<float>::max());
  // Every term was rounded down by less than one.
  const double bound = (target - denormal_) / unit_ - static_cast<double>(terms_.size());
  if (!(bound > 1.0)) return 1;
  return static_cast<std::uint16_t>(std::min(bound, kLargestBound));
}

}  // namespace sparse_rerank
