#include "core/virtual_clock.h"

namespace sparse_rerank {

double VirtualClock::arrive(double work) {
  const double finish = now_ + work;
  if (work > 0) {
    active_.push(finish);
    if (active_.size() > kMaxActive) retire_first();
  }
  return finish;
}

void VirtualClock::advance(double work) {
  while (work > 0 && !active_.empty()) {
    const auto sharing = static_cast<double>(active_.size());
    const double until_next = (active_.top() - now_) * sharing;
    if (work < until_next) {
      now_ += work / sharing;
      return;
    }
    work -= until_next;
    retire_first();
  }
}

void VirtualClock::retire_first() {
  now_ = active_.top();
  active_.pop();
}

}  // namespace sparse_rerank
