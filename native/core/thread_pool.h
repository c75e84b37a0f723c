#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/virtual_clock.h"

namespace sparse_rerank {

class ThreadPool;

/// How many tasks of the jobs that share this limit may run at once.
class TaskLimit {
 public:
  explicit TaskLimit(std::size_t tasks) : tasks_(tasks) {}

 private:
  friend class ThreadPool;

  [[nodiscard]] bool is_reached() const { return running_ >= tasks_; }

  const std::size_t tasks_;
  std::size_t running_ = 0;  // guarded by the pool's mutex
};

/// The place of a call among others of the same priority: the earliest virtual finish time first, then the first to arrive.
struct Turn {
  double virtual_finish = 0;
  std::uint64_t arrival = 0;
  [[nodiscard]] auto operator<=>(const Turn&) const = default;
};

/// The place of a job among the others.
struct Schedule {
  /// Jobs of a higher priority go first, however long the others wait.
  int priority = 0;
  /// All tasks together, in tokens of a model. Absent: one for each task, for what takes a moment, such as a search.
  std::optional<double> work = std::nullopt;
  /// From ThreadPool::arrive(), if the job is a part of a call. Absent: it is a call of its own, which arrives when it is submitted.
  std::optional<Turn> turn = std::nullopt;
  /// Absent: none.
  std::shared_ptr<TaskLimit> limit = nullptr;
};

/// Independent tasks with one outcome: numbered 0 to task_count - 1, started in that order, finished in any.
class Job {
 public:
  explicit Job(std::size_t task_count, Schedule schedule = {})
      : task_count_(task_count), schedule_(std::move(schedule)), unfinished_(task_count) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// Any thread. Tasks not yet started never run, running ones are asked to stop, and the job ends with `reason` unless it has already
  /// failed.
  void cancel(Error reason);
  [[nodiscard]] bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
  /// For long tasks to poll.
  [[nodiscard]] const std::atomic<bool>& cancel_flag() const { return cancelled_; }

  /// The first failure. Meaningful once finished() has been called.
  [[nodiscard]] const Status& failure() const { return failure_; }

  /// From submission to the first task, and from there to the end of the last. Meaningful once finished() has been called.
  struct Times {
    std::chrono::nanoseconds queued;
    std::chrono::nanoseconds ran;
  };
  [[nodiscard]] Times times() const { return {started_ - submitted_, ended_ - started_}; }

 protected:
  /// Pool thread; several tasks of a job run at once. A failure cancels the job.
  virtual Status run(std::size_t task) = 0;
  /// Pool thread, once, after the last task has ended: whether the job succeeded, failed or was cancelled. Not called when the process
  /// exits.
  virtual void finished() = 0;
  /// Any thread: asks running tasks to end early.
  virtual void interrupt() {}

 private:
  friend class ThreadPool;

  using Clock = std::chrono::steady_clock;

  /// The order of the jobs that have unclaimed tasks.
  struct Place {
    int descending_priority = 0;
    Turn turn;
    std::uint64_t submission = 0;
    [[nodiscard]] auto operator<=>(const Place&) const = default;
  };

  [[nodiscard]] double work() const { return schedule_.work.value_or(static_cast<double>(task_count_)); }

  const std::size_t task_count_;
  const Schedule schedule_;
  std::atomic<ThreadPool*> pool_{nullptr};  // set on submission
  // Guarded by the pool's mutex.
  Place place_;
  std::size_t next_task_ = 0;
  Clock::time_point submitted_;
  Clock::time_point started_;

  Clock::time_point ended_;  // written by the thread that calls finished()
  std::atomic<std::size_t> unfinished_;
  std::atomic<bool> cancelled_{false};
  std::mutex failure_mutex_;
  Status failure_;
};

/// The one thread pool of the process: models, indexes and similarity all run here, one task per thread. Jobs run in the order of their
/// schedules (see VirtualClock), which is decided again for each task, so a single query is not stuck behind a large batch. Threads start
/// with the first job and end with the process. If the system starts fewer than requested, those that started do the work, and later jobs
/// try again to start the rest.
class ThreadPool {
 public:
  static ThreadPool& instance();

  /// Starts a thread, or throws std::system_error as the constructor of std::thread does.
  using ThreadStarter = std::function<std::thread(std::function<void()>)>;
  /// A separate pool, for tests; call shut_down() before destroying it, and keep it longer than its jobs.
  explicit ThreadPool(ThreadStarter start_thread) : start_thread_(std::move(start_thread)) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// ERR_ALREADY_CONFIGURED if threads are already running in a different number.
  Status set_thread_count(std::size_t count);
  std::size_t thread_count();

  /// Any thread. Announces a call whose work comes in several jobs; returns its turn, for their schedules.
  Turn arrive(double work);

  /// Any thread. The pool shares ownership until the job has finished. On an error the job never runs: ERR_TOO_LARGE if no thread
  /// could be started.
  [[nodiscard]] Status submit(std::shared_ptr<Job> job);

  /// Ends the threads: cancels everything and waits for running tasks. Registered to run at process exit, before libraries that tasks
  /// call are torn down (see Runtime::load). Later submissions are dropped.
  void shut_down();

 private:
  friend class Job;
  using ReadyJobs = std::map<Job::Place, std::shared_ptr<Job>>;

  /// Puts a cancelled job before all others, so that it ends as soon as a thread is free.
  void expedite(Job& job);
  /// These three require the mutex.
  Turn next_turn(double work);
  Status start_threads(std::size_t count);
  ReadyJobs::iterator next_ready();
  void work();
  /// Runs one task, or none if the job is cancelled, and finishes the job with the last one.
  void perform(const std::shared_ptr<Job>& job, std::size_t task, std::size_t claimed);

  std::mutex mutex_;
  std::condition_variable ready_changed_;
  const ThreadStarter start_thread_;
  VirtualClock clock_;
  std::uint64_t arrivals_ = 0;
  std::uint64_t submissions_ = 0;
  ReadyJobs ready_;                         // jobs with unclaimed tasks
  std::vector<std::shared_ptr<Job>> live_;  // jobs that have not finished
  std::vector<std::thread> threads_;
  std::size_t thread_count_ = 0;  // 0: not set yet
  bool stopping_ = false;
};

}  // namespace sparse_rerank
