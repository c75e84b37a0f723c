#include "binding/environment.h"

#include <algorithm>
#include <utility>

#include "binding/convert.h"
#include "core/failure.h"

namespace sparse_rerank::binding {

void PromiseWork::finished() {
  release();
  channel_->done(this);
}

Channel::Channel(Napi::Env env, Environment* environment) : environment_(environment) {
  const auto name = Napi::String::New(env, "sparse-rerank");
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, settle_all, &function_);
  // Referenced only while promises are pending: an idle package does not keep the process alive.
  napi_unref_threadsafe_function(env, function_);
}

Status Channel::start(const std::shared_ptr<PromiseWork>& work) {
  {
    const std::lock_guard lock(mutex_);
    running_.push_back(work);
  }
  Status failure;
  try {
    failure = ThreadPool::instance().submit(work);
  } catch (...) {
    failure = current_failure();
  }
  if (failure) {
    const std::lock_guard lock(mutex_);
    running_.remove(work);
  }
  return failure;
}

void Channel::done(const PromiseWork* work) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(running_.begin(), running_.end(), [work](const auto& other) { return other.get() == work; });
  if (closed_) {
    running_.erase(found);
    drained_.notify_all();
    return;
  }
  finished_.splice(finished_.end(), running_, found);
  // The queue is unbounded and the function is not closing (close() would have set closed_), so this fails only if out of memory.
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void Channel::keep_loop_alive(bool alive) {
  const napi_env env = environment_->env();
  alive ? napi_ref_threadsafe_function(env, function_) : napi_unref_threadsafe_function(env, function_);
}

void Channel::close() {
  std::list<std::shared_ptr<PromiseWork>> finished;
  std::unique_lock lock(mutex_);
  closed_ = true;
  finished.swap(finished_);
  // No caller reads the reason. It is short enough not to allocate: memory may have run out, and nothing may be thrown out of this hook.
  for (const auto& work : running_) work->cancel({"ERR_ABORTED", "It has ended."});
  drained_.wait(lock, [this] { return running_.empty(); });
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

void Channel::settle_all(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going away
  auto* const channel = static_cast<Channel*>(context);
  while (true) {
    std::shared_ptr<PromiseWork> work;
    {
      const std::lock_guard lock(channel->mutex_);
      if (channel->finished_.empty()) return;
      work = std::move(channel->finished_.front());
      channel->finished_.pop_front();
    }
    channel->environment_->settle(*work);
  }
}

Environment::Environment(Napi::Env env) : env_(env), channel_(std::make_shared<Channel>(env, this)) {
  // Registered after the channel created its function, so it runs before that function's own cleanup (hooks run in reverse order).
  env.AddCleanupHook([channel = channel_.get()] { channel->close(); });
}

Napi::Error Environment::make_error(const Error& error) {
  const auto message = Napi::String::New(env_, error.message);
  if (error_class_.IsEmpty()) return Napi::Error::New(env_, error.message);
  return Napi::Error(env_, error_class_.New({Napi::String::New(env_, error.code), message}));
}

Napi::Promise Environment::start(const std::shared_ptr<PromiseWork>& work) {
  napi_value promise = nullptr;
  napi_create_promise(env_, &work->deferred_, &promise);
  work->channel_ = channel_;
  if (const Status failure = channel_->start(work)) {
    napi_reject_deferred(env_, work->deferred_, make_error(*failure).Value());
  } else if (pending_++ == 0) {
    channel_->keep_loop_alive(true);
  }
  return {env_, promise};
}

void Environment::settle(PromiseWork& work) {
  if (--pending_ == 0) channel_->keep_loop_alive(false);
  // An environment that is being terminated runs no JavaScript, so everything below may throw. No caller awaits the promise by then, and
  // nothing may be thrown out of this callback.
  try {
    const Napi::HandleScope scope(env_);
    try {
      if (const Status& failure = work.failure()) throw make_error(*failure);
      const Napi::Value result = guarded(env_, [&] { return work.result(env_); });
      napi_resolve_deferred(env_, work.deferred_, result);
    } catch (const Napi::Error& error) {
      napi_reject_deferred(env_, work.deferred_, error.Value());
    }
  } catch (...) {
    return;
  }
}

void StartedJobs::add(const std::shared_ptr<Job>& job) {
  std::erase_if(jobs_, [](const auto& other) { return other.expired(); });
  jobs_.push_back(job);
}

void StartedJobs::cancel_all(const Error& reason) {
  for (const auto& weak : std::exchange(jobs_, {})) {
    if (const auto job = weak.lock()) job->cancel(reason);
  }
}

}  // namespace sparse_rerank::binding
