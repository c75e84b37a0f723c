#pragma once

#include <napi.h>

#include <memory>

#include "binding/environment.h"
#include "binding/guarded_wrap.h"
#include "inference/prefix_job.h"

namespace sparse_rerank::binding {

/// NativePrefix: tokens that several sequences begin with and, once computed, their keys and values. JS thread.
class PrefixWrap : public GuardedWrap<PrefixWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PrefixWrap(const Napi::CallbackInfo& info);

  /// Throws if the value is anything else.
  static PrefixWrap& from(const Napi::Value& value);

  /// The work that computes the keys and values.
  [[nodiscard]] std::shared_ptr<PromiseWork> work(std::unique_ptr<PrefixJob> job, Schedule schedule) const;
  [[nodiscard]] const std::vector<std::int32_t>& ids() const { return ids_; }
  /// Null before they are computed, if there was no memory for them, and after dispose().
  [[nodiscard]] std::shared_ptr<const KeptPrefix> kept() const { return *kept_; }

 private:
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::vector<std::int32_t> ids_;
  /// Shared with the work, which may outlive this object.
  std::shared_ptr<std::shared_ptr<const KeptPrefix>> kept_ = std::make_shared<std::shared_ptr<const KeptPrefix>>();
};

}  // namespace sparse_rerank::binding
