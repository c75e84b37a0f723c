#pragma once

#include <napi.h>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "core/result.h"
#include "core/thread_pool.h"

namespace sparse_rerank::binding {

class Environment;

/// Work that a pool does and a promise tells of. Derived classes hold plain C++ values only: inputs are copied before the work is queued,
/// so that no pool thread ever touches a JavaScript object, and the last reference may go away on any thread.
class PromiseWork : public Job {
 public:
  explicit PromiseWork(std::size_t task_count) : Job(task_count) {}

 protected:
  /// Pool thread, once all tasks have ended and before the promise is settled: lets go of what the result needs no more. A pool thread
  /// holds the work for a moment longer, and what an object owns is to be free when its close() resolves.
  virtual void release() {}
  /// JS thread: the value to resolve with. May throw Napi::Error, which rejects.
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  friend class Channel;
  friend class Environment;

  void finished() final;

  std::shared_ptr<class Channel> channel_;
  napi_deferred deferred_ = nullptr;  // touched on the JS thread only
};

/// The way from pool threads to one JS thread. Shared by the environment and its work, so it outlives both; after close() it swallows
/// everything.
class Channel {
 public:
  /// JS thread.
  Channel(Napi::Env env, Environment* environment);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() = default;

  /// JS thread: hands the work to the pool. Errors: those of ThreadPool::submit().
  Status start(const std::shared_ptr<PromiseWork>& work);
  /// Pool thread, once for each started work.
  void done(const PromiseWork* work);
  /// JS thread: whether pending promises keep the event loop alive.
  void keep_loop_alive(bool alive);
  /// JS thread, when the environment ends: cancels all work and waits until no pool thread is in it.
  void close();

 private:
  static void settle_all(napi_env env, napi_value callback, void* context, void* data);

  Environment* const environment_;
  napi_threadsafe_function function_ = nullptr;
  std::mutex mutex_;
  std::condition_variable drained_;
  // Lists, since a node moves from one to the other without memory: no pool thread fails there.
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

  /// Starts the work and returns its promise. It rejects with what the job failed with.
  Napi::Promise start(const std::shared_ptr<PromiseWork>& work);

  /// The classes of this environment that have no public constructor.
  void set_model_class(Napi::Function model_class) { model_class_ = Napi::Persistent(model_class); }
  [[nodiscard]] const Napi::FunctionReference& model_class() const { return model_class_; }
  /// The class whose objects openIndex() also makes.
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

/// The jobs that an object started, so that dispose() can end them. JS thread.
class StartedJobs {
 public:
  void add(const std::shared_ptr<Job>& job);
  void cancel_all(const Error& reason);

 private:
  std::vector<std::weak_ptr<Job>> jobs_;
};

}  // namespace sparse_rerank::binding
