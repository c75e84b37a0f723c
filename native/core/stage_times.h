#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sparse_rerank {

/// Adds the time of its scope to a sum, in nanoseconds.
class TimeAdded {
 public:
  explicit TimeAdded(std::atomic<std::int64_t>& sum) : sum_(sum), begin_(std::chrono::steady_clock::now()) {}
  TimeAdded(const TimeAdded&) = delete;
  TimeAdded& operator=(const TimeAdded&) = delete;
  ~TimeAdded() {
    const auto spent = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin_);
    sum_.fetch_add(spent.count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t>& sum_;
  std::chrono::steady_clock::time_point begin_;
};

/// What pool threads spend their time on. kTask covers whole tasks, kBody and kHead the parts of encoding tasks.
enum class Stage : std::size_t { kTask, kBody, kHead };

/// Time that the process has spent in each stage, summed over threads, for the reports of bench/. Two clock readings per
/// stage of a task cost about 50 ns; tasks take 100 µs or more.
class StageTimes {
 public:
  static StageTimes& instance() {
    static StageTimes times;
    return times;
  }

  /// Any thread.
  [[nodiscard]] double seconds(Stage stage) const { return static_cast<double>(sum(stage).load(std::memory_order_relaxed)) * 1e-9; }

  /// Adds the time of its scope to a stage.
  class Scope : public TimeAdded {
   public:
    explicit Scope(Stage stage) : TimeAdded(instance().sum(stage)) {}
  };

 private:
  StageTimes() = default;

  std::atomic<std::int64_t>& sum(Stage stage) { return nanoseconds_[static_cast<std::size_t>(stage)]; }
  [[nodiscard]] const std::atomic<std::int64_t>& sum(Stage stage) const { return nanoseconds_[static_cast<std::size_t>(stage)]; }

  std::array<std::atomic<std::int64_t>, 3> nanoseconds_{};
};

}  // namespace sparse_rerank
