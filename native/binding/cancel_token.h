#pragma once

#include <napi.h>

#include <memory>

#include "binding/guarded_wrap.h"
#include "core/thread_pool.h"

namespace sparse_rerank::binding {

/// NativeCancelToken: links an AbortSignal to the job of one call. JS thread.
class CancelToken : public GuardedWrap<CancelToken> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelToken(const Napi::CallbackInfo& info);

  /// The token in `options.cancel`, or null. Throws if it is anything else.
  static CancelToken* from(const Napi::Object& options);
  /// Cancels the job immediately if the token is already cancelled.
  void attach(const std::shared_ptr<Job>& job);

 private:
  Napi::Value cancel(const Napi::CallbackInfo& info);

  std::weak_ptr<Job> job_;
  bool cancelled_ = false;
};

}  // namespace sparse_rerank::binding
