#include <napi.h>

#include <string>
#include <vector>

#include "binding/cancel_token.h"
#include "binding/convert.h"
#include "binding/device.h"
#include "binding/environment.h"
#include "binding/index.h"
#include "binding/model.h"
#include "binding/prefix.h"
#include "binding/similarity.h"
#include "binding/snapshot.h"
#include "core/cpu.h"
#include "core/memory_budget.h"
#include "core/shared_library.h"
#include "core/stage_times.h"
#include "core/thread_pool.h"
#include "inference/runtime.h"
#include "kernels/kernels.h"

/// The addon's functions, as lib/native/contract.ts declares them. Everything here runs on a JS thread.
namespace sparse_rerank::binding {

namespace {

void initialize(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).set_error_class(info[0].As<Napi::Function>());
  if (const auto failure = check_kernels_environment()) fail(info.Env(), *failure);
}

void set_threads(const Napi::CallbackInfo& info) {
  if (const auto failure = ThreadPool::instance().set_thread_count(info[0].As<Napi::Number>().Uint32Value())) fail(info.Env(), *failure);
}

Napi::Value threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(ThreadPool::instance().thread_count()));
}

Napi::Value arrive(const Napi::CallbackInfo& info) {
  const double work = info[0].As<Napi::Number>();
  if (!std::isfinite(work) || work < 0) fail_contract(info.Env(), "work is not a number of tokens");
  const Turn turn = ThreadPool::instance().arrive(work);
  auto result = Napi::Object::New(info.Env());
  result.Set("virtualFinish", turn.virtual_finish);
  result.Set("arrival", static_cast<double>(turn.arrival));
  return result;
}

void set_memory_limit(const Napi::CallbackInfo& info) {
  const auto bytes = static_cast<std::size_t>(info[0].As<Napi::Number>().DoubleValue());
  if (const auto failure = MemoryBudget::instance().set_limit(bytes)) fail(info.Env(), *failure);
}

Napi::Value memory_limit_in_use(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(MemoryBudget::instance().limit()));
}

Napi::Value memory_of_process(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(memory_limit()));
}

Napi::Value kernel_sets(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto available = Napi::Array::New(env);
  for (const KernelTable* table : available_kernels()) available.Set(available.Length(), Napi::String::New(env, table->name));
  auto result = Napi::Object::New(env);
  result.Set("available", available);
  result.Set("active", Napi::String::New(env, kernels().name));
  const CpuFeatures features = detect_cpu_features();
  result.Set("amxRefused", Napi::Boolean::New(env, features.amx && !features.amx_granted));
  return result;
}

/// Called on the main JS thread, by its exit event.
void stop_threads(const Napi::CallbackInfo&) {
  ThreadPool::instance().shut_down();
}

void use_kernel_set(const Napi::CallbackInfo& info) {
  if (const auto failure = use_kernels(info[0].ToString().Utf8Value())) fail(info.Env(), *failure);
}

Napi::Value load_runtime(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto list = info[0].As<Napi::Array>();
  std::vector<std::string> candidates;
  candidates.reserve(list.Length());
  for (std::uint32_t i = 0; i < list.Length(); ++i) candidates.push_back(read_path(list.Get(i)));
  const auto runtime = Runtime::load(candidates);
  if (!runtime) fail(env, runtime.error());
  auto result = Napi::Object::New(env);
  result.Set("path", Napi::String::New(env, runtime.value()->path()));
  result.Set("version", Napi::String::New(env, runtime.value()->version()));
  return result;
}

Napi::Value stage_times(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const StageTimes& times = StageTimes::instance();
  auto result = Napi::Object::New(env);
  result.Set("task", Napi::Number::New(env, times.seconds(Stage::kTask)));
  result.Set("body", Napi::Number::New(env, times.seconds(Stage::kBody)));
  result.Set("head", Napi::Number::New(env, times.seconds(Stage::kHead)));
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  static const char anchor = 0;
  SharedLibrary::pin(&anchor);

  auto* const environment = new Environment(env);
  env.SetInstanceData(environment);  // deleted with the environment
  environment->set_model_class(ModelWrap::define(env));
  environment->set_snapshot_class(SnapshotWrap::define(env));

  exports.Set("initialize", Napi::Function::New<entry<initialize>>(env));
  exports.Set("setThreads", Napi::Function::New<entry<set_threads>>(env));
  exports.Set("threads", Napi::Function::New<entry<threads>>(env));
  exports.Set("arrive", Napi::Function::New<entry<arrive>>(env));
  exports.Set("stopThreads", Napi::Function::New<entry<stop_threads>>(env));
  exports.Set("setMemoryLimit", Napi::Function::New<entry<set_memory_limit>>(env));
  exports.Set("memoryLimit", Napi::Function::New<entry<memory_limit_in_use>>(env));
  exports.Set("memory", Napi::Function::New<entry<memory_of_process>>(env));
  exports.Set("kernels", Napi::Function::New<entry<kernel_sets>>(env));
  exports.Set("useKernels", Napi::Function::New<entry<use_kernel_set>>(env));
  exports.Set("loadRuntime", Napi::Function::New<entry<load_runtime>>(env));
  exports.Set("providers", Napi::Function::New<entry<providers>>(env));
  exports.Set("cudaDevices", Napi::Function::New<entry<start_cuda_devices>>(env));
  exports.Set("checkCuda", Napi::Function::New<entry<start_cuda_check>>(env));
  exports.Set("stageTimes", Napi::Function::New<entry<stage_times>>(env));
  exports.Set("createModel", Napi::Function::New<entry<ModelWrap::create>>(env));
  exports.Set("openModel", Napi::Function::New<entry<ModelWrap::open>>(env));
  exports.Set("similarity", Napi::Function::New<entry<start_similarity>>(env));
  exports.Set("similarityPairwise", Napi::Function::New<entry<start_similarity_pairwise>>(env));
  const Napi::Function index_class = IndexWrap::define(env);
  environment->set_index_class(index_class);
  exports.Set("Index", index_class);
  exports.Set("openIndex", Napi::Function::New<entry<IndexWrap::open>>(env));
  exports.Set("CancelToken", CancelToken::define(env));
  exports.Set("Prefix", PrefixWrap::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(sparse_rerank, init)

}  // namespace sparse_rerank::binding
