#pragma once

#include <cstddef>
#include <functional>
#include <queue>
#include <vector>

namespace sparse_rerank {

/// The virtual time of weighted fair queueing (Demers, Keshav and Shenker, SIGCOMM 1989; Parekh and Gallager, 1993): the work that each
/// call would have received so far if all calls ran at once and shared the machine equally. Calls that run one after the other, in the
/// order of their virtual finish times, end no later than under such sharing, and mostly much earlier, and short calls overtake long ones.
/// Not thread-safe.
class VirtualClock {
 public:
  /// A call with this much work arrives. Returns its virtual finish time.
  double arrive(double work);
  /// Some work was done, of any call.
  void advance(double work);
  /// No call is left: forgets the work that was announced but never done.
  void clear() { active_ = {}; }

 private:
  /// Work that is announced and never done stays active; beyond this number the calls that would have finished first are forgotten.
  static constexpr std::size_t kMaxActive = 4096;

  void retire_first();

  double now_ = 0;
  /// Virtual finish times of the calls that would still be running.
  std::priority_queue<double, std::vector<double>, std::greater<>> active_;
};

}  // namespace sparse_rerank
