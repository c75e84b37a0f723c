/// libcudart.so.13: memory and copies.
#include <cstdint>
#include <string>

#include "cuda13.h"
#include "gpu.h"
#include "runtime.h"
#include "streams.h"

using namespace simulated_gpu;

namespace {

/// cudaMalloc and the functions that free memory wait for the GPU; allocations from a pool do not.
int allocate_waiting(Memory memory, std::size_t bytes, void** address, const char* call) {
  if (const int error = require_no_capture(call)) return error;
  return allocate(memory, bytes, address);
}

int release_waiting(Memory memory, void* address, const char* call) {
  if (const int error = require_no_capture(call)) return error;
  return release(memory, address);
}

int fill(void* to, int value, std::size_t bytes, void* stream) {
  const std::string details = tracing() ? "bytes=" + std::to_string(bytes) : std::string();
  return enqueue(stream, Work::kCopy, "fill", details.c_str(), [=] { return fill_now(to, value, bytes); });
}

std::uintptr_t address_of(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

}  // namespace

extern "C" {

int cudaMalloc(void** address, std::size_t bytes) {
  return called(allocate_waiting(Memory::kDevice, bytes, address, "cudaMalloc"));
}
int cudaFree(void* address) {
  return called(release_waiting(Memory::kDevice, address, "cudaFree"));
}

int cudaMallocFromPoolAsync(void** address, std::size_t bytes, void*, void*) {
  return called(allocate(Memory::kDevice, bytes, address));
}
int cudaFreeAsync(void* address, void*) {
  return called(release(Memory::kDevice, address));
}

int cudaMallocHost(void** address, std::size_t bytes) {
  return called(allocate_waiting(Memory::kPinned, bytes, address, "cudaMallocHost"));
}

int cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  return called(allocate_waiting(Memory::kPinned, bytes, address, "cudaHostAlloc"));
}

int cudaFreeHost(void* address) {
  return called(release_waiting(Memory::kPinned, address, "cudaFreeHost"));
}

int cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  *available = free_bytes();
  *total = total_bytes();
  return called(kSuccess);
}

int cudaMemPoolCreate(void** pool, const void*) {
  *pool = reinterpret_cast<void*>(1);
  return called(kSuccess);
}

int cudaMemPoolDestroy(void*) {
  return called(kSuccess);
}
int cudaMemPoolSetAttribute(void*, int, void*) {
  return called(kSuccess);
}
int cudaMemPoolTrimTo(void*, std::size_t) {
  return called(kSuccess);
}

/// Supports the 8-byte attributes only; a pool holds no memory here.
int cudaMemPoolGetAttribute(void*, int, void* value) {
  *static_cast<std::uint64_t*>(value) = 0;
  return called(kSuccess);
}

int cudaMemcpy(void* to, const void* from, std::size_t bytes, int) {
  return called(copy(to, from, bytes, "cudaMemcpy"));
}

int cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, int, void* stream) {
  return called(copy_in_stream(to, from, bytes, stream, "cudaMemcpyAsync"));
}

int cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width, std::size_t height, int,
                      void* stream) {
  for (std::size_t row = 0; row < height; ++row) {
    void* const target = reinterpret_cast<void*>(address_of(to) + row * to_pitch);
    const void* const source = reinterpret_cast<const void*>(address_of(from) + row * from_pitch);
    if (const int error = copy_in_stream(target, source, width, stream, "cudaMemcpy2DAsync")) return called(error);
  }
  return called(kSuccess);
}

int cudaMemset(void* to, int value, std::size_t bytes) {
  return called(fill(to, value, bytes, nullptr));
}
int cudaMemsetAsync(void* to, int value, std::size_t bytes, void* stream) {
  return called(fill(to, value, bytes, stream));
}

int cudaPointerGetAttributes(PointerAttributes* attributes, const void* address) {
  const Memory memory = memory_of(address);
  void* const same = const_cast<void*>(address);
  attributes->type = memory == Memory::kDevice ? 2 : memory == Memory::kPinned ? 1 : 0;
  attributes->device = memory == Memory::kPageable ? -2 : 0;
  attributes->device_address = memory == Memory::kPageable ? nullptr : same;
  attributes->host_address = memory == Memory::kDevice ? nullptr : same;
  return called(kSuccess);
}

}  // extern "C"
