#pragma once

#include <string>

#include "core/result.h"

namespace sparse_rerank {

/// A dynamically loaded library that stays loaded until the process ends: ONNX Runtime keeps its own threads and static state.
class SharedLibrary {
 public:
  /// `path` is UTF-8. The error's message is the loader's own.
  static Result<SharedLibrary> open(const std::string& path);

  /// Null if the library exports no such name.
  [[nodiscard]] void* symbol(const char* name) const;

  /// Keeps the library that contains `address` loaded forever: Node unloads an addon when the last worker thread that required it ends, but
  /// pool threads may still run its code.
  static void pin(const void* address);

 private:
  explicit SharedLibrary(void* handle) : handle_(handle) {}
  void* handle_;
};

}  // namespace sparse_rerank
