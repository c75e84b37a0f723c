#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sparse_rerank {

/// A document that shares a term with the query.
struct Hit {
  /// Its place in insertion order.
  std::uint32_t slot;
  float score;
};

/// The order of results: higher scores first, equal ones in insertion order.
struct BetterHit {
  bool operator()(const Hit& a, const Hit& b) const { return a.score > b.score || (a.score == b.score && a.slot < b.slot); }
};

/// The k best of hits that come in any order.
class TopK {
 public:
  void reset(std::size_t k) {
    k_ = k;
    hits_.clear();
  }

  [[nodiscard]] std::size_t k() const { return k_; }
  [[nodiscard]] bool full() const { return hits_.size() == k_; }
  /// The score that a candidate has to reach. Only when full, with k > 0.
  [[nodiscard]] float worst() const { return hits_.front().score; }

  /// Keeps the hit if it is among the k best so far; k is not 0.
  void offer(Hit hit) {
    if (!full()) {
      hits_.push_back(hit);
      // A heap with the worst hit in front is needed only now: with a large k most searches end before.
      if (full()) std::make_heap(hits_.begin(), hits_.end(), BetterHit());
      return;
    }
    if (!BetterHit()(hit, hits_.front())) return;
    std::pop_heap(hits_.begin(), hits_.end(), BetterHit());
    hits_.back() = hit;
    std::push_heap(hits_.begin(), hits_.end(), BetterHit());
  }

  /// Best first. Empties the collection and replaces the contents of `out`.
  void take(std::vector<Hit>& out) {
    std::sort(hits_.begin(), hits_.end(), BetterHit());
    out.assign(hits_.begin(), hits_.end());
    hits_.clear();
  }

 private:
  std::size_t k_ = 0;
  std::vector<Hit> hits_;
};

}  // namespace sparse_rerank
