#include "core/thread_pool.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/cpu_budget.h"
#include "core/failure.h"
#include "core/stage_times.h"

namespace sparse_rerank {

namespace {

/// Before the priority of every job that runs.
constexpr int kFirst = std::numeric_limits<int>::min();

}  // namespace

void Job::cancel(Error reason) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::move(reason);
  }
  // Both this and submit() write one of the two and then read the other, so one of them sees that a cancelled job was submitted.
  cancelled_.store(true);
  interrupt();
  if (ThreadPool* const pool = pool_.load(); pool != nullptr) pool->expedite(*this);
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

Turn ThreadPool::arrive(double work) {
  const std::lock_guard lock(mutex_);
  return next_turn(work);
}

Turn ThreadPool::next_turn(double work) {
  return {clock_.arrive(work), arrivals_++};
}

Status ThreadPool::submit(std::shared_ptr<Job> job) {
  const std::size_t count = thread_count();
  const std::size_t wanted = std::clamp<std::size_t>(job->task_count_, 1, count);
  // Everything that allocates comes before the job is visible anywhere.
  ReadyJobs made;
  made.emplace(Job::Place{}, job);
  auto node = made.extract(made.begin());
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return std::nullopt;
    if (Status failure = start_threads(count)) return failure;
    const Schedule& schedule = job->schedule_;
    const Turn turn = schedule.turn ? *schedule.turn : next_turn(job->work());
    live_.push_back(job);
    job->pool_.store(this);
    job->submitted_ = Job::Clock::now();
    job->place_ = {job->cancelled_.load() ? kFirst : -schedule.priority, turn, submissions_++};
    node.key() = job->place_;
    ready_.insert(std::move(node));
  }
  // No more threads than there is work for: the others would only contend for the mutex with the one that a single text waits for.
  for (std::size_t i = 0; i < wanted; ++i) ready_changed_.notify_one();
  return std::nullopt;
}

void ThreadPool::expedite(Job& job) {
  {
    const std::lock_guard lock(mutex_);
    auto node = ready_.extract(job.place_);
    if (node.empty()) return;
    job.place_.descending_priority = kFirst;
    node.key() = job.place_;
    ready_.insert(std::move(node));
  }
  ready_changed_.notify_one();
}

ThreadPool::ReadyJobs::iterator ThreadPool::next_ready() {
  return std::find_if(ready_.begin(), ready_.end(), [](const auto& entry) {
    const Job& job = *entry.second;
    return job.cancelled() || job.schedule_.limit == nullptr || !job.schedule_.limit->is_reached();
  });
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
    auto next = ready_.end();
    ready_changed_.wait(lock, [&] {
      next = next_ready();
      return stopping_ || next != ready_.end();
    });
    if (stopping_) return;
    std::shared_ptr<Job> job = next->second;
    const std::size_t task = job->next_task_;
    const std::size_t left = job->task_count_ - task;
    // A cancelled job gives up all remaining tasks at once.
    const bool is_cancelled = job->cancelled();
    const std::size_t claimed = is_cancelled ? left : std::min<std::size_t>(left, 1);
    const std::shared_ptr<TaskLimit> limit = is_cancelled ? nullptr : job->schedule_.limit;
    if (limit != nullptr) ++limit->running_;
    if (task == 0) job->started_ = Job::Clock::now();
    if (claimed > 0) clock_.advance(job->work() * static_cast<double>(claimed) / static_cast<double>(job->task_count_));
    job->next_task_ += claimed;
    if (claimed == left) ready_.erase(next);
    lock.unlock();
    perform(job, task, claimed);
    // The last reference to a job may free a model, which must not happen under the lock.
    job.reset();
    lock.lock();
    // This thread looks for work next, so no other has to be told.
    if (limit != nullptr) --limit->running_;
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
  job->ended_ = Job::Clock::now();
  {
    const std::lock_guard lock(mutex_);
    std::erase(live_, job);
    if (live_.empty()) clock_.clear();
    if (stopping_) return;
  }
  job->finished();
}

}  // namespace sparse_rerank
