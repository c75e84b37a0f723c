#include "core/thread_pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/cpu_budget.h"
#include "core/failure.h"
#include "core/stage_times.h"

namespace sparse_rerank {

void Job::cancel(Error reason) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::move(reason);
  }
  cancelled_.store(true, std::memory_order_release);
  interrupt();
}

ThreadPool& ThreadPool::instance() {
  // Never destroyed: pool threads may outlive every static object of this library.
  static auto* const pool = new ThreadPool([](std::function<void()> body) { return std::thread(std::move(body)); });
  return *pool;
}

Status ThreadPool::set_thread_count(std::size_t count) {
  const std::lock_guard lock(mutex_);
  if (!threads_.empty() && count != thread_count_) {
    return Error{"ERR_ALREADY_CONFIGURED",
                 "The thread pool runs with " + std::to_string(thread_count_) +
                     " threads already; call configure({ threads }) before the first load, once for the process."};
  }
  thread_count_ = count;
  return std::nullopt;
}

std::size_t ThreadPool::thread_count() {
  const std::lock_guard lock(mutex_);
  if (thread_count_ == 0) thread_count_ = cpu_budget();
  return thread_count_;
}

Status ThreadPool::start_threads(std::size_t count) {
  try {
    threads_.reserve(count);
    while (threads_.size() < count) threads_.push_back(start_thread_([this] { work(); }));
  } catch (...) {
    if (threads_.empty()) return current_failure();
  }
  return std::nullopt;
}

Status ThreadPool::submit(std::shared_ptr<Job> job) {
  const std::size_t count = thread_count();
  const std::size_t wanted = std::clamp<std::size_t>(job->task_count_, 1, count);
  // Everything that allocates comes before the job is visible anywhere.
  std::list<std::shared_ptr<Job>> ready = {job};
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return std::nullopt;
    if (Status failure = start_threads(count)) return failure;
    live_.push_back(std::move(job));
    ready_.splice(ready_.end(), ready);
  }
  // No more threads than there is work for: the others would only contend for the mutex with the one that a single text waits for.
  for (std::size_t i = 0; i < wanted; ++i) ready_changed_.notify_one();
  return std::nullopt;
}

void ThreadPool::shut_down() {
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<Job>> jobs;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ready_.clear();
    jobs = live_;
    threads = std::exchange(threads_, {});
  }
  ready_changed_.notify_all();
  for (const auto& job : jobs) job->cancel({"ERR_ABORTED", "The process is exiting."});
  for (auto& thread : threads) thread.join();
}

void ThreadPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ready_changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    if (stopping_) return;
    std::shared_ptr<Job> job = ready_.front();
    const std::size_t task = job->next_task_;
    const std::size_t left = job->task_count_ - task;
    // A cancelled job gives up all remaining tasks at once.
    const std::size_t claimed = job->cancelled() ? left : std::min<std::size_t>(left, 1);
    job->next_task_ += claimed;
    if (claimed < left) {
      ready_.splice(ready_.end(), ready_, ready_.begin());
    } else {
      ready_.pop_front();
    }
    lock.unlock();
    perform(job, task, claimed);
    // The last reference to a job may free a model, which must not happen under the lock.
    job.reset();
    lock.lock();
  }
}

void ThreadPool::perform(const std::shared_ptr<Job>& job, std::size_t task, std::size_t claimed) {
  if (claimed == 1 && !job->cancelled()) {
    const StageTimes::Scope timed(Stage::kTask);
    // Tasks do not throw, but the standard library does when memory runs out.
    try {
      if (auto failure = job->run(task)) job->cancel(std::move(*failure));
    } catch (...) {
      job->cancel(current_failure());
    }
  }
  if (job->unfinished_.fetch_sub(claimed, std::memory_order_acq_rel) != claimed) return;
  {
    const std::lock_guard lock(mutex_);
    std::erase(live_, job);
    if (stopping_) return;
  }
  job->finished();
}

}  // namespace sparse_rerank
