#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace sparse_rerank {

/// A thread that does what others ask for, one thing at a time: for libraries that keep what they know for each thread. Thread-safe.
class DedicatedThread {
 public:
  DedicatedThread();
  /// Nobody may be waiting in run().
  ~DedicatedThread();
  DedicatedThread(const DedicatedThread&) = delete;
  DedicatedThread& operator=(const DedicatedThread&) = delete;

  /// Any thread but this one. Returns when `work` was done there; throws what it threw.
  void run(const std::function<void()>& work);

 private:
  /// The thread.
  void serve();

  /// One caller at a time.
  std::mutex turn_;
  /// Guards what follows.
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr thrown_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace sparse_rerank
