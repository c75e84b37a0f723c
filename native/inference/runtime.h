#pragma once

#include <span>
#include <string>

#include "core/result.h"
#include "inference/ort_abi.h"

namespace sparse_rerank {

/// The ONNX Runtime library of this process: loaded once, on first use, and never unloaded.
class Runtime {
 public:
  /// ONNX Runtime 1.20, the first version that accepts external initializers for a graph in memory. Everything else in use is older.
  static constexpr std::uint32_t kApiVersion = 20;

  /// Any thread. Tries each path in order and keeps the first compatible library; later calls ignore their paths and return the same
  /// runtime.
  static Result<const Runtime*> load(std::span<const std::string> candidates);
  /// Null before the first successful load.
  static const Runtime* loaded();

  [[nodiscard]] const ort::Functions& functions() const { return functions_; }
  [[nodiscard]] const ort::OrtEnv* env() const { return env_; }
  [[nodiscard]] const ort::OrtMemoryInfo* cpu_memory() const { return cpu_memory_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& version() const { return version_; }

  /// Takes ownership of a status. A failure becomes ERR_RUNTIME_FAILED, with `doing` in its message.
  Status check(ort::OrtStatus* status, const char* doing) const;

 private:
  Runtime(const void* const* table, std::string path, std::string version)
      : functions_(table), path_(std::move(path)), version_(std::move(version)) {}

  static Result<const Runtime*> open(const std::string& path);

  ort::Functions functions_;
  std::string path_;
  std::string version_;
  ort::OrtEnv* env_ = nullptr;
  ort::OrtMemoryInfo* cpu_memory_ = nullptr;
};

}  // namespace sparse_rerank
