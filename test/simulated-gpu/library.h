/// What the stand-ins for cuBLAS and cuDNN have in common: a handle is the stream that it works in; what computes is put into it by name.
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

/// A function that computes something. The handle is its first argument; the others stay where the caller put them, as nobody reads them.
#define SIMULATED_GPU_COMPUTES(name)                         \
  extern "C" int name(simulated_gpu::Handle* handle) {       \
    return simulated_gpu::compute_in(handle->stream, #name); \
  }

/// A function whose success is all that callers see.
#define SIMULATED_GPU_SUCCEEDS(name) \
  extern "C" int name() {            \
    return 0;                        \
  }

/// A function that makes an object which is only handed on.
#define SIMULATED_GPU_MAKES(name)        \
  extern "C" int name(void** object) {   \
    *object = new simulated_gpu::Handle; \
    return 0;                            \
  }

/// The end of such an object.
#define SIMULATED_GPU_DESTROYS(name)                   \
  extern "C" int name(simulated_gpu::Handle* object) { \
    delete object;                                     \
    return 0;                                          \
  }
