#include "inference/runtime.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "core/shared_library.h"
#include "core/thread_pool.h"

namespace sparse_rerank {

namespace {

std::mutex load_mutex;
std::atomic<const Runtime*> the_runtime{nullptr};

}  // namespace

const Runtime* Runtime::loaded() {
  return the_runtime.load(std::memory_order_acquire);
}

Result<const Runtime*> Runtime::load(std::span<const std::string> candidates) {
  const std::lock_guard lock(load_mutex);
  if (const Runtime* runtime = loaded()) return runtime;
  bool incompatible = false;
  std::string tried;
  for (const std::string& path : candidates) {
    auto runtime = open(path);
    if (runtime) {
      // For processes without an exit event (lib/native/load.ts), such as embedders: a handler registered after the library was opened runs
      // before the library's static objects are destroyed.
      std::atexit([] { ThreadPool::instance().shut_down(); });
      the_runtime.store(runtime.value(), std::memory_order_release);
      return runtime;
    }
    incompatible |= std::string_view(runtime.error().code) == "ERR_RUNTIME_INCOMPATIBLE";
    tried += "\n  " + path + ": " + runtime.error().message;
  }
  return Error{incompatible ? "ERR_RUNTIME_INCOMPATIBLE" : "ERR_RUNTIME_NOT_FOUND",
               "No usable ONNX Runtime library (version 1." + std::to_string(kApiVersion) +
                   " or newer) was found. Tried:" + (tried.empty() ? " nothing" : tried)};
}

Result<const Runtime*> Runtime::open(const std::string& path) {
  auto library = SharedLibrary::open(path);
  if (!library) return std::move(library).error();
  using GetApiBase = const ort::OrtApiBase*(SPARSE_RERANK_ORT_CALL*)();
  const auto get_api_base = reinterpret_cast<GetApiBase>(library.value().symbol("OrtGetApiBase"));
  if (get_api_base == nullptr) return Error{"ERR_RUNTIME_INCOMPATIBLE", "not an ONNX Runtime library: it exports no OrtGetApiBase"};
  const ort::OrtApiBase* base = get_api_base();
  std::string version = base->GetVersionString();
  // An older library prints to stderr when asked for a newer API, so the version is checked first.
  const std::size_t dot = version.find('.');
  const unsigned long minor = dot == std::string::npos ? 0 : std::strtoul(version.c_str() + dot + 1, nullptr, 10);
  const void* const* table = minor < kApiVersion ? nullptr : base->GetApi(kApiVersion);
  if (table == nullptr) return Error{"ERR_RUNTIME_INCOMPATIBLE", "it is ONNX Runtime " + version + ", which is too old"};

  // Leaked on purpose: sessions in other threads may use it until the process ends.
  auto* const runtime = new Runtime(table, path, std::move(version));
  const auto& functions = runtime->functions_;
  if (auto failure = runtime->check(functions.CreateEnv(ort::ORT_LOGGING_LEVEL_FATAL, "sparse-rerank", &runtime->env_), "start"))
    return *failure;
  if (auto failure = runtime->check(functions.DisableTelemetryEvents(runtime->env_), "start")) return *failure;
  if (auto failure =
          runtime->check(functions.CreateCpuMemoryInfo(ort::OrtArenaAllocator, ort::OrtMemTypeDefault, &runtime->cpu_memory_), "start")) {
    return *failure;
  }
  return runtime;
}

Status Runtime::check(ort::OrtStatus* status, const char* doing) const {
  if (status == nullptr) return std::nullopt;
  Error error{"ERR_RUNTIME_FAILED", std::string("ONNX Runtime could not ") + doing + ": " + functions_.GetErrorMessage(status)};
  functions_.ReleaseStatus(status);
  return error;
}

}  // namespace sparse_rerank
