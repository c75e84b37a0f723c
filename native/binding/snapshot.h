#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "binding/convert.h"
#include "binding/environment.h"
#include "binding/guarded_wrap.h"
#include "index/snapshot.h"

namespace sparse_rerank::binding {

/// NativeSnapshot: what an index held at one moment. JS thread.
class SnapshotWrap : public GuardedWrap<SnapshotWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Value create(Napi::Env env, std::shared_ptr<const Snapshot> snapshot);
  explicit SnapshotWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value search(const Napi::CallbackInfo& info);
  Napi::Value search_terms(const Napi::CallbackInfo& info);
  Napi::Value contains(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value list(const Napi::CallbackInfo& info);
  Napi::Value count(const Napi::CallbackInfo& info);
  Napi::Value facets(const Napi::CallbackInfo& info);
  Napi::Value term_statistics(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<const Snapshot>& snapshot(Napi::Env env) const;

  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace sparse_rerank::binding
