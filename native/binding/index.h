#pragma once

#include <napi.h>

#include <memory>

#include "binding/environment.h"
#include "index/inverted_index.h"

namespace sparse_rerank::binding {

/// NativeIndex: an in-memory inverted index. JS thread.
class IndexWrap : public Napi::ObjectWrap<IndexWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  /// new NativeIndex(dimension)
  explicit IndexWrap(const Napi::CallbackInfo& info);

 private:
  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value search(const Napi::CallbackInfo& info);
  Napi::Value compact(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<InvertedIndex>& index(Napi::Env env) const;
  Napi::Promise start(Napi::Env env, const std::shared_ptr<PromiseWork>& work);

  std::shared_ptr<InvertedIndex> index_;
  StartedJobs jobs_;
};

/// similarity(a, b, dimension, function): Promise<Float32Array>
Napi::Value start_similarity(const Napi::CallbackInfo& info);
/// similarityPairwise(a, b, dimension, function): Promise<Float32Array>
Napi::Value start_similarity_pairwise(const Napi::CallbackInfo& info);

}  // namespace sparse_rerank::binding
