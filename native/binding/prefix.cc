#include "binding/prefix.h"

#include <utility>

#include "binding/convert.h"

namespace sparse_rerank::binding {

namespace {

/// See cancel_token.cc.
const napi_type_tag kTypeTag = {0x2f0c9be4717d4a58, 0xb1c65a0e83d94f27};

class PrefixWork final : public PromiseWork {
 public:
  PrefixWork(std::unique_ptr<PrefixJob> job, Schedule schedule, std::shared_ptr<std::shared_ptr<const KeptPrefix>> kept)
      : PromiseWork(1, std::move(schedule)), job_(std::move(job)), kept_(std::move(kept)) {}

 private:
  Status run(std::size_t) override { return job_->run(); }
  void interrupt() override { job_->interrupt(); }
  void release() override { job_->release_model(); }
  Napi::Value result(Napi::Env env) override {
    *kept_ = job_->kept();
    return Napi::Boolean::New(env, *kept_ != nullptr);
  }

  std::unique_ptr<PrefixJob> job_;
  std::shared_ptr<std::shared_ptr<const KeptPrefix>> kept_;
};

}  // namespace

PrefixWrap::PrefixWrap(const Napi::CallbackInfo& info) : GuardedWrap(info), ids_(copy_array<std::int32_t>(info[0], "ids")) {
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

Napi::Function PrefixWrap::define(Napi::Env env) {
  return DefineClass(env, "Prefix", {method<&PrefixWrap::dispose>("dispose")});
}

PrefixWrap& PrefixWrap::from(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) fail_contract(value.Env(), "not a prefix");
  return *Unwrap(value.As<Napi::Object>());
}

std::shared_ptr<PromiseWork> PrefixWrap::work(std::unique_ptr<PrefixJob> job, Schedule schedule) const {
  return std::make_shared<PrefixWork>(std::move(job), std::move(schedule), kept_);
}

Napi::Value PrefixWrap::dispose(const Napi::CallbackInfo& info) {
  kept_->reset();
  return info.Env().Undefined();
}

}  // namespace sparse_rerank::binding
