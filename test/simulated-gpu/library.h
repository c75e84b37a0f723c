/// Shared by the substitutes for cuBLAS and cuDNN: a handle is the stream that it uses; computations are enqueued there by name.
#pragma once

#include <string>

#include "gpu.h"
#include "streams.h"

namespace simulated_gpu {

struct Handle {
  void* stream = nullptr;
};

inline int compute_in(void* stream, const char* name) {
  const std::string details = tracing() ? std::string("name=") + name : std::string();
  return enqueue(stream, Work::kCall, "call", details.c_str(), {});
}

}  // namespace simulated_gpu

/// A function that computes. Its first argument is the handle; the other arguments are not read, so they need no declaration.
#define SIMULATED_GPU_COMPUTES(name)                         \
  extern "C" int name(simulated_gpu::Handle* handle) {       \
    return simulated_gpu::compute_in(handle->stream, #name); \
  }

/// A function that only reports success.
#define SIMULATED_GPU_SUCCEEDS(name) \
  extern "C" int name() {            \
    return 0;                        \
  }

/// A function that creates an opaque object.
#define SIMULATED_GPU_MAKES(name)        \
  extern "C" int name(void** object) {   \
    *object = new simulated_gpu::Handle; \
    return 0;                            \
  }

/// A function that destroys such an object.
#define SIMULATED_GPU_DESTROYS(name)                   \
  extern "C" int name(simulated_gpu::Handle* object) { \
    delete object;                                     \
    return 0;                                          \
  }
