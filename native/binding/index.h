#pragma once

#include <napi.h>

#include <memory>

#include "binding/environment.h"
#include "binding/guarded_wrap.h"
#include "index/segmented_index.h"

namespace sparse_rerank::binding {

/// NativeIndex: a sparse index in memory, or of a file or folder. JS thread.
class IndexWrap : public GuardedWrap<IndexWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new NativeIndex(dimension, lexical), or of what openIndex() opened
  explicit IndexWrap(const Napi::CallbackInfo& info);

  /// openIndex(path, options): Promise<NativeIndex>
  static Napi::Value open(const Napi::CallbackInfo& info);

 private:
  Napi::Value apply(const Napi::CallbackInfo& info);
  Napi::Value remove_matching(const Napi::CallbackInfo& info);
  Napi::Value refresh(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value lexical(const Napi::CallbackInfo& info);
  Napi::Value merge_step(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value save_folder(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value dimension(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<SegmentedIndex>& index(Napi::Env env) const;
  Napi::Promise start(Napi::Env env, const std::shared_ptr<PromiseWork>& work);

  std::shared_ptr<SegmentedIndex> index_;
  StartedJobs jobs_;
};

}  // namespace sparse_rerank::binding
