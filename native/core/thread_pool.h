#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// Independent tasks with one outcome: numbered 0 to task_count - 1, started in that order, finished in any.
class Job {
 public:
  explicit Job(std::size_t task_count) : task_count_(task_count), unfinished_(task_count) {}
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

  const std::size_t task_count_;
  std::size_t next_task_ = 0;  // guarded by the pool's mutex
  std::atomic<std::size_t> unfinished_;
  std::atomic<bool> cancelled_{false};
  std::mutex failure_mutex_;
  Status failure_;
};

/// The one thread pool of the process: models, indexes and similarity all run here, one task per thread. Jobs take turns task by
/// task, so a single query is not stuck behind a large batch. Threads start with the first job and end with the process. If the system
/// starts fewer than requested, those that started do the work, and later jobs try again to start the rest.
class ThreadPool {
 public:
  static ThreadPool& instance();

  /// Starts a thread, or throws std::system_error as the constructor of std::thread does.
  using ThreadStarter = std::function<std::thread(std::function<void()>)>;
  /// A separate pool, for tests; call shut_down() before destroying it.
  explicit ThreadPool(ThreadStarter start_thread) : start_thread_(std::move(start_thread)) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// ERR_ALREADY_CONFIGURED if threads are already running in a different number.
  Status set_thread_count(std::size_t count);
  std::size_t thread_count();

  /// Any thread. The pool shares ownership until the job has finished. On an error the job never runs: ERR_TOO_LARGE if no thread
  /// could be started.
  [[nodiscard]] Status submit(std::shared_ptr<Job> job);

  /// Ends the threads: cancels everything and waits for running tasks. Registered to run at process exit, before libraries that tasks
  /// call are torn down (see Runtime::load). Later submissions are dropped.
  void shut_down();

 private:
  /// Requires the mutex.
  Status start_threads(std::size_t count);
  void work();
  /// Runs one task, or none if the job is cancelled, and finishes the job with the last one.
  void perform(const std::shared_ptr<Job>& job, std::size_t task, std::size_t claimed);

  std::mutex mutex_;
  std::condition_variable ready_changed_;
  const ThreadStarter start_thread_;
  std::list<std::shared_ptr<Job>> ready_;   // jobs with unclaimed tasks; a list, since moving its nodes allocates nothing
  std::vector<std::shared_ptr<Job>> live_;  // jobs that have not finished
  std::vector<std::thread> threads_;
  std::size_t thread_count_ = 0;  // 0: not set yet
  bool stopping_ = false;
};

}  // namespace sparse_rerank
