/// A simulated GPU, so that ONNX Runtime's real CUDA provider runs on machines without one. The libraries that the provider links to are
/// replaced by ones that track state and compute nothing:
///
///   libcuda.so.1        gpu.cc, facts.cc, streams.cc, driver.cc: the GPU itself, which the others use
///   libcudart.so.13     runtime_*.cc
///   libcublas*.so.13    blas.cc, blas_lt.cc
///   libcudnn.so.9       dnn.cc
///
/// Simulated: memory of limited size; device, pinned and pageable memory; streams, events, capture into graphs, and which calls are illegal
/// during capture; launch limits. As on a real GPU, the host cannot access device memory: doing so crashes the process. Copies move
/// contents, so data copied to the GPU and back is unchanged; new memory is zero.
///
/// Not simulated: the computation of kernels (they do nothing, so results are mostly zeros), time (work is done when it is enqueued), the
/// memory that contexts, cuBLAS and cuDNN use themselves, and fragmentation of GPU memory.
///
/// Settings are environment variables:
///
///   SIMULATED_GPU_MEMORY      bytes of the GPU; default 80 GB
///   SIMULATED_GPU_IN_USE      bytes that other processes hold, or a file with the current number; default 0
///   SIMULATED_GPU_CAPABILITY  compute capability; default 9.0
///   SIMULATED_GPU_TRACE       a file to which events are appended; trace.ts reads it
///
/// A line of the trace is a word followed by pairs `key=value`; the last value of a line may contain spaces.
///
///   malloc bytes used, refused bytes used, free bytes used    used: bytes of the GPU in use afterwards
///   pin bytes, unpin bytes                                    host memory
///   copy on from to bytes wait                                on: a stream, or a graph being captured; wait: whether the caller waits
///   fill on bytes
///   launch on kernel
///   call on name                                              a computation by cuBLAS or cuDNN
///   wait for
///   capture stream graph, graph graph launches calls copies, replay on graph
///   illegal call error                                        a call that CUDA forbids
///   unsupported name                                          a function that is not simulated
///   peak bytes                                                at the end of the process
#pragma once

#include <cstddef>
#include <string>

namespace simulated_gpu {

/// The runtime's errors; the driver uses the same numbers.
enum Error : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kInvalidConfiguration = 9,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidContext = 201,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotSupported = 801,
  kCaptureUnsupported = 900,
  kCaptureInvalidated = 901,
  kCaptureUnmatched = 903,
  kCaptureImplicit = 906,
  kCapturedEvent = 907,
};

const char* error_name(int error);
const char* error_text(int error);

std::size_t total_bytes();
std::size_t free_bytes();
int capability_major();
int capability_minor();
/// @param number a cudaDeviceAttr, or the CUdevice_attribute of the same number. Returns 0 if unknown.
int attribute(int number);

enum class Memory { kPageable, kPinned, kDevice };

/// Any thread. Errors: kOutOfMemory (less is free).
int allocate(Memory memory, std::size_t bytes, void** address);
/// Does nothing for null. Errors: kInvalidValue (the address is not from allocate()).
int release(Memory memory, void* address);
Memory memory_of(const void* address);
const char* memory_name(const void* address);

/// Errors: kInvalidValue (a range exceeds its allocation).
int copy_now(void* to, const void* from, std::size_t bytes);
int fill_now(void* to, int value, std::size_t bytes);

/// Whether there is a trace; lets callers skip preparing costly values.
bool tracing();
/// Adds a line, formatted like printf.
void trace(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// Records the call of a function that is not simulated. Returns `error`.
int unsupported(const char* name, int error);

}  // namespace simulated_gpu
