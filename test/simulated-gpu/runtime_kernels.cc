/// libcudart.so.13: kernels, which have a name and do nothing.
#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>

#include "cuda13.h"
#include "gpu.h"
#include "runtime.h"
#include "streams.h"

using namespace simulated_gpu;

namespace {

/// Kernels by the handle that launches use, the address of their stub in the program. Never destroyed, since libraries unload late.
struct Kernels {
  std::mutex mutex;
  std::unordered_map<const void*, const char*> names;
};

Kernels& kernels() {
  static auto* const kernels = new Kernels;
  return *kernels;
}

std::string name_of(const void* kernel) {
  const char* name = "?";
  {
    const std::lock_guard lock(kernels().mutex);
    const auto found = kernels().names.find(kernel);
    if (found != kernels().names.end()) name = found->second;
  }
  char* const readable = abi::__cxa_demangle(name, nullptr, nullptr, nullptr);
  std::string text = readable == nullptr ? name : readable;
  std::free(readable);
  return text;
}

bool within_limits(const Dim3& size, int first_limit) {
  const unsigned sizes[] = {size.x, size.y, size.z};
  for (int i = 0; i < 3; ++i) {
    if (sizes[i] == 0 || sizes[i] > static_cast<unsigned>(attribute(first_limit + i))) return false;
  }
  return true;
}

int launch(const void* kernel, const Dim3& grid, const Dim3& block, std::size_t shared_bytes, void* stream) {
  const bool fits = within_limits(grid, 5) && within_limits(block, 2) &&
                    block.x * block.y * block.z <= static_cast<unsigned>(attribute(1)) &&
                    shared_bytes <= static_cast<std::size_t>(attribute(97));
  if (!fits) {
    trace("illegal call=cudaLaunchKernel error=%s", error_name(kInvalidConfiguration));
    return called(kInvalidConfiguration);
  }
  const std::string details = tracing() ? "kernel=" + name_of(kernel) : std::string();
  return called(enqueue(stream, Work::kLaunch, "launch", details.c_str(), {}));
}

/// The launch configuration that <<<…>>> passes from its first call to its second.
struct Pending {
  Dim3 grid;
  Dim3 block;
  std::size_t shared_bytes;
  void* stream;
};
thread_local Pending pending{};

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}

void __cudaRegisterFunction(void**, const char* kernel, char*, const char* name, int, void*, void*, void*, void*, int*) {
  const std::lock_guard lock(kernels().mutex);
  kernels().names[kernel] = name;
}

unsigned __cudaPushCallConfiguration(Dim3 grid, Dim3 block, std::size_t shared_bytes, void* stream) {
  pending = {grid, block, shared_bytes, stream};
  return 0;
}

int __cudaPopCallConfiguration(Dim3* grid, Dim3* block, std::size_t* shared_bytes, void** stream) {
  *grid = pending.grid;
  *block = pending.block;
  *shared_bytes = pending.shared_bytes;
  *stream = pending.stream;
  return kSuccess;
}

int __cudaGetKernel(const void** handle, const void* kernel) {
  *handle = kernel;
  return kSuccess;
}

int __cudaLaunchKernel(const void* kernel, Dim3 grid, Dim3 block, void**, std::size_t shared_bytes, void* stream) {
  return launch(kernel, grid, block, shared_bytes, stream);
}

int cudaLaunchKernel(const void* kernel, Dim3 grid, Dim3 block, void**, std::size_t shared_bytes, void* stream) {
  return launch(kernel, grid, block, shared_bytes, stream);
}

int cudaLaunchCooperativeKernel(const void* kernel, Dim3 grid, Dim3 block, void**, std::size_t shared_bytes, void* stream) {
  return launch(kernel, grid, block, shared_bytes, stream);
}

int cudaLaunchKernelExC(const LaunchConfiguration* configuration, const void* kernel, void**) {
  return launch(kernel, configuration->grid, configuration->block, configuration->shared_bytes, configuration->stream);
}

int cudaFuncGetAttributes(FunctionAttributes* attributes, const void*) {
  const int version = 10 * capability_major() + capability_minor();
  *attributes = {};
  attributes->threads_of_block = attribute(1);
  attributes->registers = 64;
  attributes->ptx_version = version;
  attributes->binary_version = version;
  attributes->dynamic_shared_bytes = attribute(8);
  return called(kSuccess);
}

int cudaFuncSetAttribute(const void*, int, int) {
  return called(kSuccess);
}
int cudaKernelSetAttributeForDevice(const void*, int, int, int) {
  return called(kSuccess);
}

int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, std::size_t, unsigned) {
  *blocks = 2;
  return called(kSuccess);
}

/// Loads a kernel library that a program contains as bytes.
int cudaLibraryLoadData(void** library, const void* code, void*, void*, unsigned, void*, void*, unsigned) {
  *library = const_cast<void*>(code);
  return called(kSuccess);
}

int cudaLibraryUnload(void*) {
  return called(kSuccess);
}

int cudaLibraryGetKernel(const void** kernel, void*, const char* name) {
  // Leaked, since launches may come at any time. There are few names, and each is copied only when it is requested.
  const char* const kept = strdup(name);
  const std::lock_guard lock(kernels().mutex);
  kernels().names[kept] = kept;
  *kernel = kept;
  return called(kSuccess);
}

/// Device variables are not simulated: they are zero.
int cudaMemcpyFromSymbol(void* to, const void*, std::size_t bytes, std::size_t, int) {
  if (const int error = require_no_capture("cudaMemcpyFromSymbol")) return called(error);
  trace("copy on=stream0 from=device to=%s bytes=%zu wait=yes", memory_name(to), bytes);
  return called(fill_now(to, 0, bytes));
}

}  // extern "C"
