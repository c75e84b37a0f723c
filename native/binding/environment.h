#pragma once

#include <napi.h>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/thread_pool.h"

namespace sparse_rerank::binding {

class Environment;

/// Work on the thread pool that settles a promise. Derived classes hold plain C++ values only: inputs are copied before the work is queued,
/// so that no pool thread touches a JavaScript object, and any thread may drop the last reference.
class PromiseWork : public Job {
 public:
  explicit PromiseWork(std::size_t task_count, Schedule schedule = {}) : Job(task_count, std::move(schedule)) {}

 protected:
  /// Pool thread, after all tasks have ended and before the promise settles: releases what the result does not need. A pool thread may hold
  /// the work slightly longer, but the resources of an object must be free when its close() resolves.
  virtual void release() {}
  /// JS thread: the value that the promise resolves to. Throwing Napi::Error rejects the promise.
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class Channel;
  friend class Environment;

  void finished() final;

  std::shared_ptr<class Channel> channel_;
  napi_deferred deferred_ = nullptr;  // touched on the JS thread only
};

/// Delivers finished work from pool threads to one JS thread. Shared by the environment and its work, so it outlives both; after close() it
/// discards everything.
class Channel {
 public:
  /// JS thread.
  Channel(Napi::Env env, Environment* environment);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() = default;

  /// JS thread: submits the work to the pool. Errors: those of ThreadPool::submit().
  Status start(const std::shared_ptr<PromiseWork>& work);
  /// Pool thread, once for each started work.
  void done(const PromiseWork* work);
  /// JS thread: whether pending promises keep the event loop alive.
  void keep_loop_alive(bool alive);
  /// JS thread, when the environment ends: cancels all work and waits until no pool thread runs it.
  void close();

 private:
  static void settle_all(napi_env env, napi_value callback, void* context, void* data);

  Environment* const environment_;
  napi_threadsafe_function function_ = nullptr;
  std::mutex mutex_;
  std::condition_variable drained_;
  // Lists, since moving a node between them does not allocate, so it cannot fail on a pool thread.
  std::list<std::shared_ptr<PromiseWork>> running_;
  std::list<std::shared_ptr<PromiseWork>> finished_;
  bool closed_ = false;
};

/// The state of one JavaScript environment (the main thread, or one worker thread).
class Environment {
 public:
  explicit Environment(Napi::Env env);

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  [[nodiscard]] Napi::Env env() const { return env_; }
  void set_error_class(Napi::Function error_class) { error_class_ = Napi::Persistent(error_class); }
  /// An instance of SparseRerankError.
  Napi::Error make_error(const Error& error);

  /// Starts the work and returns its promise, which rejects with the job's error.
  Napi::Promise start(const std::shared_ptr<PromiseWork>& work);

  /// The classes of this environment that have no public constructor.
  void set_model_class(Napi::Function model_class) { model_class_ = Napi::Persistent(model_class); }
  [[nodiscard]] const Napi::FunctionReference& model_class() const { return model_class_; }
  /// The class of the objects that openIndex() creates too.
  void set_index_class(Napi::Function index_class) { index_class_ = Napi::Persistent(index_class); }
  [[nodiscard]] const Napi::FunctionReference& index_class() const { return index_class_; }
  void set_snapshot_class(Napi::Function snapshot_class) { snapshot_class_ = Napi::Persistent(snapshot_class); }
  [[nodiscard]] const Napi::FunctionReference& snapshot_class() const { return snapshot_class_; }

 private:
  friend class Channel;
  /// JS thread.
  void settle(PromiseWork& work);

  Napi::Env env_;
  Napi::FunctionReference error_class_;
  Napi::FunctionReference model_class_;
  Napi::FunctionReference index_class_;
  Napi::FunctionReference snapshot_class_;
  std::shared_ptr<Channel> channel_;
  std::size_t pending_ = 0;
};

/// The jobs that an object started, for dispose() to cancel. JS thread.
class StartedJobs {
 public:
  void add(const std::shared_ptr<Job>& job);
  void cancel_all(const Error& reason);

 private:
  std::vector<std::weak_ptr<Job>> jobs_;
};

}  // namespace sparse_rerank::binding
