#include "binding/cancel_token.h"

#include "binding/convert.h"

namespace sparse_rerank::binding {

namespace {

/// Identifies tokens: JavaScript can fake a prototype chain, but only objects created here carry this tag.
const napi_type_tag kTypeTag = {0x6b1d0f6c2a5f4c11, 0x9a4e3f5d7c80b2e6};
const Error kAborted{"ERR_ABORTED", "The operation was aborted."};

}  // namespace

CancelToken::CancelToken(const Napi::CallbackInfo& info) : GuardedWrap(info) {
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

Napi::Function CancelToken::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {method<&CancelToken::cancel>("cancel")});
}

CancelToken* CancelToken::from(const Napi::Object& options) {
  const Napi::Value value = options.Get("cancel");
  if (value.IsUndefined()) return nullptr;
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) fail_contract(options.Env(), "cancel is not a cancel token");
  return Unwrap(value.As<Napi::Object>());
}

void CancelToken::attach(const std::shared_ptr<Job>& job) {
  job_ = job;
  if (cancelled_) job->cancel(kAborted);
}

Napi::Value CancelToken::cancel(const Napi::CallbackInfo& info) {
  cancelled_ = true;
  if (const auto job = job_.lock()) job->cancel(kAborted);
  return info.Env().Undefined();
}

}  // namespace sparse_rerank::binding
