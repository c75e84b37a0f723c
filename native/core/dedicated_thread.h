#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace sparse_rerank {

/// A thread that runs the work of others, one piece at a time: for libraries that keep per-thread state. Thread-safe.
class DedicatedThread {
 public:
  DedicatedThread();
  /// No thread may be waiting in run().
  ~DedicatedThread();
  DedicatedThread(const DedicatedThread&) = delete;
  DedicatedThread& operator=(const DedicatedThread&) = delete;

  /// Any thread but this one. Returns when `work` has finished there; rethrows its exceptions.
  void run(const std::function<void()>& work);

 private:
  /// The thread's main loop.
  void serve();

  /// One caller at a time.
  std::mutex turn_;
  /// Guards the following members.
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr thrown_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace sparse_rerank
