#pragma once

#include <napi.h>

#include <memory>

#include "binding/environment.h"
#include "binding/guarded_wrap.h"
#include "inference/model.h"

namespace sparse_rerank::binding {

/// NativeModel: a loaded checkpoint. JS thread.
class ModelWrap : public GuardedWrap<ModelWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelWrap(const Napi::CallbackInfo& info);
  /// Without dispose(), running calls keep the model alive until they end.
  ~ModelWrap() override = default;
  void Finalize(Napi::Env env) override;

  /// createModel(spec): Promise<NativeModel>
  static Napi::Value create(const Napi::CallbackInfo& info);
  /// openModel(spec): Promise<NativeModel>
  static Napi::Value open(const Napi::CallbackInfo& info);

 private:
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value keep(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<const Model>& model(Napi::Env env) const;
  /// @param options see NativeRunOptions
  [[nodiscard]] Schedule schedule(const Napi::Object& options, std::size_t tokens) const;
  Napi::Promise start(Napi::Env env, const std::shared_ptr<PromiseWork>& work, const Napi::Value& options);

  std::shared_ptr<const Model> model_;
  std::shared_ptr<TaskLimit> limit_;  // null for none
  StartedJobs jobs_;
};

}  // namespace sparse_rerank::binding
