#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace sparse_rerank {
namespace {

/// A job that runs a function and can be awaited.
class FunctionJob final : public Job {
 public:
  FunctionJob(std::size_t tasks, std::function<Status(std::size_t)> body, Schedule schedule = {})
      : Job(tasks, std::move(schedule)), body_(std::move(body)) {}

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finishes_ > 0; });
  }
  int finishes() {
    const std::lock_guard lock(mutex_);
    return finishes_;
  }
  [[nodiscard]] int interrupts() const { return interrupts_; }

 private:
  Status run(std::size_t task) override { return body_(task); }
  void finished() override {
    const std::lock_guard lock(mutex_);
    ++finishes_;
    changed_.notify_all();
  }
  void interrupt() override { ++interrupts_; }

  std::function<Status(std::size_t)> body_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int finishes_ = 0;
  std::atomic<int> interrupts_{0};
};

std::shared_ptr<FunctionJob> submit(std::size_t tasks, std::function<Status(std::size_t)> body) {
  auto job = std::make_shared<FunctionJob>(tasks, std::move(body));
  EXPECT_FALSE(ThreadPool::instance().submit(job));
  return job;
}

/// Blocks tasks until the test opens it.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(ThreadPool, RunsEachTaskOnceAndFinishesOnce) {
  std::vector<std::atomic<int>> runs(1000);
  const auto job = submit(runs.size(), [&](std::size_t task) {
    ++runs[task];
    return Status{};
  });
  job->wait();
  for (const auto& count : runs) EXPECT_EQ(count, 1);
  EXPECT_EQ(job->finishes(), 1);
  EXPECT_FALSE(job->failure());
}

TEST(ThreadPool, AJobWithoutTasksFinishes) {
  const auto job = submit(0, [](std::size_t) { return Status{}; });
  job->wait();
  EXPECT_EQ(job->finishes(), 1);
}

TEST(ThreadPool, ManyJobsFromManyThreads) {
  std::atomic<int> runs = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&runs] {
      for (int round = 0; round < 50; ++round) {
        const auto job = submit(7, [&runs](std::size_t) {
          ++runs;
          return Status{};
        });
        job->wait();
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(runs, 8 * 50 * 7);
}

TEST(ThreadPool, TheFirstFailureEndsTheJob) {
  std::atomic<int> runs = 0;
  const auto job = submit(100'000, [&](std::size_t task) -> Status {
    ++runs;
    if (task == 3) return Error{"ERR_INTERNAL", "task 3"};
    std::this_thread::yield();
    return std::nullopt;
  });
  job->wait();
  ASSERT_TRUE(job->failure());
  EXPECT_EQ(job->failure()->message, "task 3");
  EXPECT_LT(runs, 100'000);
  EXPECT_EQ(job->interrupts(), 1);
}

TEST(ThreadPool, LackOfMemoryIsAnError) {
  const auto job = submit(1, [](std::size_t) -> Status { throw std::bad_alloc(); });
  job->wait();
  ASSERT_TRUE(job->failure());
  EXPECT_STREQ(job->failure()->code, "ERR_TOO_LARGE");
}

TEST(ThreadPool, CancelStopsTasksThatHaveNotStarted) {
  Gate gate;
  std::atomic<int> runs = 0;
  const auto job = submit(1000, [&](std::size_t) {
    ++runs;
    gate.pass();
    return Status{};
  });
  while (runs == 0) std::this_thread::yield();
  job->cancel({"ERR_ABORTED", "first"});
  job->cancel({"ERR_DISPOSED", "second"});
  gate.open();
  job->wait();
  EXPECT_LE(runs, static_cast<int>(ThreadPool::instance().thread_count()));
  ASSERT_TRUE(job->failure());
  EXPECT_EQ(job->failure()->message, "first");
  EXPECT_EQ(job->finishes(), 1);
}

TEST(ThreadPool, CancelBeforeAnyTaskStarted) {
  Gate gate;
  const std::size_t threads = ThreadPool::instance().thread_count();
  std::atomic<std::size_t> blocked = 0;
  const auto blocker = submit(threads, [&](std::size_t) {
    ++blocked;
    gate.pass();
    return Status{};
  });
  while (blocked < threads) std::this_thread::yield();
  std::atomic<int> runs = 0;
  const auto job = submit(10, [&](std::size_t) {
    ++runs;
    return Status{};
  });
  job->cancel({"ERR_ABORTED", "early"});
  gate.open();
  job->wait();
  blocker->wait();
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(job->finishes(), 1);
}

TEST(ThreadPool, ASmallJobDoesNotWaitForALargeOne) {
  std::atomic<bool> stop = false;
  std::atomic<int> large_runs = 0;
  const auto large = submit(1'000'000, [&](std::size_t) {
    ++large_runs;
    if (!stop) std::this_thread::sleep_for(std::chrono::microseconds(200));
    return Status{};
  });
  while (large_runs == 0) std::this_thread::yield();
  const auto small = submit(3, [](std::size_t) { return Status{}; });
  small->wait();
  EXPECT_EQ(large->finishes(), 0);
  stop = true;
  large->cancel({"ERR_ABORTED", "enough"});
  large->wait();
}

TEST(ThreadPool, TheThreadCountIsFixedOnceThreadsRun) {
  submit(1, [](std::size_t) { return Status{}; })->wait();
  const std::size_t count = ThreadPool::instance().thread_count();
  EXPECT_FALSE(ThreadPool::instance().set_thread_count(count));
  const Status refused = ThreadPool::instance().set_thread_count(count + 1);
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_ALREADY_CONFIGURED");
}

/// Starts `left` threads and then fails, like a system that has reached its limit.
ThreadPool::ThreadStarter limited(std::atomic<int>& left) {
  return [&left](std::function<void()> body) {
    if (left-- <= 0) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    return std::thread(std::move(body));
  };
}

TEST(ThreadPool, GoesOnWithTheThreadsThatStarted) {
  std::atomic<int> left{2};
  ThreadPool pool(limited(left));
  EXPECT_FALSE(pool.set_thread_count(8));
  std::atomic<int> runs{0};
  const auto body = [&runs](std::size_t) {
    ++runs;
    return Status{};
  };
  const auto job = std::make_shared<FunctionJob>(100, body);
  EXPECT_FALSE(pool.submit(job));
  job->wait();
  EXPECT_EQ(runs, 100);
  EXPECT_FALSE(job->failure());
  // The remaining threads start with a later job, once the system allows them.
  left = 100;
  const auto again = std::make_shared<FunctionJob>(100, body);
  EXPECT_FALSE(pool.submit(again));
  again->wait();
  EXPECT_EQ(runs, 200);
  EXPECT_EQ(left, 94);
  pool.shut_down();
}

TEST(ThreadPool, RefusesAJobWhenNoThreadStarts) {
  std::atomic<int> left{0};
  ThreadPool pool(limited(left));
  EXPECT_FALSE(pool.set_thread_count(3));
  const auto job = std::make_shared<FunctionJob>(1, [](std::size_t) { return Status{}; });
  const Status refused = pool.submit(job);
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_TOO_LARGE");
  EXPECT_NE(refused->message.find("threads"), std::string::npos);
  EXPECT_EQ(job->finishes(), 0);
  EXPECT_EQ(job.use_count(), 1);
  left = 100;
  EXPECT_FALSE(pool.submit(job));
  job->wait();
  pool.shut_down();
}

/// A pool with its own threads. They are busy until go(), so that a test decides which jobs wait together.
class Waiting {
 public:
  explicit Waiting(std::size_t threads) : threads_left_(static_cast<int>(threads)), pool_(limited(threads_left_)) {
    EXPECT_FALSE(pool_.set_thread_count(threads));
    std::atomic<std::size_t> busy = 0;
    blocker_ = std::make_shared<FunctionJob>(threads, [this, &busy](std::size_t) {
      ++busy;
      gate_.pass();
      return Status{};
    });
    EXPECT_FALSE(pool_.submit(blocker_));
    while (busy < threads) std::this_thread::yield();
  }
  ~Waiting() { pool_.shut_down(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  ThreadPool& pool() { return pool_; }
  /// Submits a job whose tasks write its name.
  std::shared_ptr<FunctionJob> submit(char name, std::size_t tasks, Schedule schedule) {
    auto job = std::make_shared<FunctionJob>(
        tasks,
        [this, name](std::size_t) {
          const std::lock_guard lock(mutex_);
          order_ += name;
          return Status{};
        },
        std::move(schedule));
    EXPECT_FALSE(pool_.submit(job));
    jobs_.push_back(job);
    return job;
  }
  /// Runs everything; returns the names of the tasks in the order in which they ran.
  std::string go() {
    gate_.open();
    for (const auto& job : jobs_) job->wait();
    blocker_->wait();
    const std::lock_guard lock(mutex_);
    return order_;
  }

 private:
  std::atomic<int> threads_left_;
  ThreadPool pool_;
  Gate gate_;
  std::shared_ptr<FunctionJob> blocker_;
  std::vector<std::shared_ptr<FunctionJob>> jobs_;
  std::mutex mutex_;
  std::string order_;
};

TEST(ThreadPool, EqualJobsEndOneAfterTheOther) {
  Waiting waiting(1);
  for (const char name : {'a', 'b', 'c'}) waiting.submit(name, 4, {.work = 100});
  EXPECT_EQ(waiting.go(), "aaaabbbbcccc");
}

TEST(ThreadPool, ShortJobsOvertakeLongOnesAndSearchesBoth) {
  Waiting waiting(1);
  waiting.submit('l', 3, {.work = 3000});
  waiting.submit('s', 2, {.work = 20});
  waiting.submit('q', 1, {});
  EXPECT_EQ(waiting.go(), "qsslll");
}

TEST(ThreadPool, AHigherPriorityGoesFirst) {
  Waiting waiting(1);
  waiting.submit('l', 1, {.priority = -1, .work = 1});
  waiting.submit('n', 2, {.work = 10});
  waiting.submit('h', 2, {.priority = 1, .work = 1000});
  EXPECT_EQ(waiting.go(), "hhnnl");
}

TEST(ThreadPool, JobsOfACallKeepItsPlace) {
  Waiting waiting(1);
  const Turn first = waiting.pool().arrive(200);
  const Turn second = waiting.pool().arrive(200);
  waiting.submit('b', 1, {.work = 100, .turn = second});
  waiting.submit('a', 1, {.work = 100, .turn = first});
  waiting.submit('b', 1, {.work = 100, .turn = second});
  waiting.submit('a', 1, {.work = 100, .turn = first});
  EXPECT_EQ(waiting.go(), "aabb");
}

TEST(ThreadPool, ACancelledJobEndsBeforeThoseAheadOfIt) {
  Waiting waiting(1);
  waiting.submit('a', 2, {.priority = 1});
  bool others_waited = false;
  const auto late = waiting.submit('z', 1000, {.priority = -1, .work = 1e9});
  const auto first = std::make_shared<FunctionJob>(
      1,
      [&](std::size_t) {
        others_waited = late->finishes() == 1;
        return Status{};
      },
      Schedule{.priority = 2});
  EXPECT_FALSE(waiting.pool().submit(first));
  late->cancel({"ERR_ABORTED", "late"});
  EXPECT_EQ(waiting.go(), "aa");
  first->wait();
  EXPECT_TRUE(others_waited);
}

TEST(ThreadPool, ALimitLeavesThreadsToOtherJobs) {
  Waiting waiting(3);
  const auto limit = std::make_shared<TaskLimit>(2);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  std::vector<std::shared_ptr<FunctionJob>> limited_jobs;
  for (int i = 0; i < 2; ++i) {
    limited_jobs.push_back(std::make_shared<FunctionJob>(
        20,
        [&](std::size_t) {
          const int now = ++running;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          std::this_thread::sleep_for(std::chrono::microseconds(200));
          --running;
          return Status{};
        },
        Schedule{.limit = limit}));
    EXPECT_FALSE(waiting.pool().submit(limited_jobs.back()));
  }
  waiting.submit('o', 5, {.priority = -1});
  EXPECT_EQ(waiting.go(), "ooooo");
  for (const auto& job : limited_jobs) job->wait();
  EXPECT_EQ(most, 2);
}

TEST(ThreadPool, TimesSayHowLongAJobWaitedAndRan) {
  Waiting waiting(1);
  const auto job = std::make_shared<FunctionJob>(2, [](std::size_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return Status{};
  });
  EXPECT_FALSE(waiting.pool().submit(job));
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  waiting.go();
  job->wait();
  EXPECT_GE(job->times().queued, std::chrono::milliseconds(3));
  EXPECT_GE(job->times().ran, std::chrono::milliseconds(4));
}

TEST(ThreadPool, WhateverATaskThrowsIsTheErrorOfItsJob) {
  const auto failure_of = [](const std::function<void()>& thrower) {
    const auto job = submit(3, [&thrower](std::size_t) {
      thrower();
      return Status{};
    });
    job->wait();
    return job->failure() ? std::string(job->failure()->code) : "none";
  };
  EXPECT_EQ(failure_of([] { throw std::bad_alloc(); }), "ERR_TOO_LARGE");
  EXPECT_EQ(failure_of([] { throw std::length_error("vector"); }), "ERR_TOO_LARGE");
  EXPECT_EQ(failure_of([] { throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)); }), "ERR_TOO_LARGE");
  EXPECT_EQ(failure_of([] { throw std::runtime_error("odd"); }), "ERR_INTERNAL");
  EXPECT_EQ(failure_of([] { throw 7; }), "ERR_INTERNAL");
}

}  // namespace
}  // namespace sparse_rerank
