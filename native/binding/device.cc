#include "binding/device.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/convert.h"
#include "binding/environment.h"
#include "core/cuda_driver.h"

namespace sparse_rerank::binding {

namespace {

Napi::Value describe(Napi::Env env, const CudaDevice& device) {
  auto object = Napi::Object::New(env);
  object.Set("name", Napi::String::New(env, device.name));
  object.Set("totalBytes", Napi::Number::New(env, static_cast<double>(device.total_bytes)));
  object.Set("freeBytes", Napi::Number::New(env, static_cast<double>(device.free_bytes)));
  object.Set("computeCapability", Napi::String::New(env, std::to_string(device.major) + "." + std::to_string(device.minor)));
  return object;
}

class ListWork final : public PromiseWork {
 public:
  ListWork() : PromiseWork(1) {}

 private:
  Status run(std::size_t) override {
    auto driver = CudaDriver::open();
    if (!driver) return std::move(driver).error();
    version_ = driver.value().version();
    auto devices = driver.value().devices();
    if (!devices) return std::move(devices).error();
    devices_ = std::move(devices).value();
    return std::nullopt;
  }

  Napi::Value result(Napi::Env env) override {
    auto list = Napi::Array::New(env);
    for (const CudaDevice& device : devices_) list.Set(list.Length(), describe(env, device));
    auto object = Napi::Object::New(env);
    object.Set("driverVersion", Napi::String::New(env, std::to_string(version_ / 1000) + "." + std::to_string(version_ % 1000 / 10)));
    object.Set("devices", list);
    return object;
  }

  int version_ = 0;
  std::vector<CudaDevice> devices_;
};

class CheckWork final : public PromiseWork {
 public:
  explicit CheckWork(CudaSpec spec) : PromiseWork(1), spec_(std::move(spec)) {}

 private:
  Status run(std::size_t) override {
    auto driver = CudaDriver::open();
    if (!driver) return std::move(driver).error();
    auto device = driver.value().device(spec_.device);
    if (!device) return std::move(device).error();
    device_ = std::move(device).value();
    auto options = make_cuda_options(*Runtime::loaded(), spec_);
    if (!options) return std::move(options).error();
    return std::nullopt;
  }

  Napi::Value result(Napi::Env env) override { return describe(env, device_); }

  CudaSpec spec_;
  CudaDevice device_;
};

}  // namespace

CudaSpec read_cuda(const Napi::Object& object) {
  CudaSpec spec;
  spec.device = object.Get("device").ToNumber().Int32Value();
  spec.graphs = object.Get("graphs").ToBoolean();
  const auto options = object.Get("options").As<Napi::Object>();
  for (const auto& entry : options) {
    spec.options.emplace_back(entry.first.ToString().Utf8Value(), Napi::Value(entry.second).ToString().Utf8Value());
  }
  return spec;
}

Napi::Value providers(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (Runtime::loaded() == nullptr) fail_contract(env, "providers before loadRuntime");
  const auto names = available_providers(*Runtime::loaded());
  if (!names) fail(env, names.error());
  auto list = Napi::Array::New(env);
  for (const std::string& name : names.value()) list.Set(list.Length(), Napi::String::New(env, name));
  return list;
}

Napi::Value start_cuda_devices(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).start(std::make_shared<ListWork>());
}

Napi::Value start_cuda_check(const Napi::CallbackInfo& info) {
  if (Runtime::loaded() == nullptr) fail_contract(info.Env(), "checkCuda before loadRuntime");
  return Environment::of(info.Env()).start(std::make_shared<CheckWork>(read_cuda(info[0].As<Napi::Object>())));
}

}  // namespace sparse_rerank::binding
