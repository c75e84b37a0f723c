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
  FunctionJob(std::size_t tasks, std::function<Status(std::size_t)> body) : Job(tasks), body_(std::move(body)) {}

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
