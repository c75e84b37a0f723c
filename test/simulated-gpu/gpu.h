/// A GPU that is not there, so that ONNX Runtime's real CUDA provider can run on machines without one. The libraries that the
/// provider links to are replaced by ones that keep the books and compute nothing:
///
///   libcuda.so.1        gpu.cc, facts.cc, streams.cc, driver.cc: the GPU itself, which the others share
///   libcudart.so.13     runtime_*.cc
///   libcublas*.so.13    blas.cc, blas_lt.cc
///   libcudnn.so.9       dnn.cc
///
/// Simulated: memory with its size; what is device, pinned or pageable memory; streams, events, capture into graphs, and what is illegal
/// meanwhile; limits of launches. The host cannot touch device memory, as on a real GPU: doing so ends the process. Copies move contents,
/// so that what was copied to the GPU comes back the same; new memory is zero.
///
/// Not simulated: what kernels compute (they do nothing, so results are mostly zeros), time (work is done when it is enqueued), the memory
/// that contexts, cuBLAS and cuDNN take for themselves, fragmentation of the GPU's memory.
///
/// Settings are environment variables:
///
///   SIMULATED_GPU_MEMORY      bytes of the GPU; default 80 GB
///   SIMULATED_GPU_IN_USE      bytes of it that other processes hold, or a file that says how many at any time; default 0
///   SIMULATED_GPU_CAPABILITY  compute capability; default 9.0
///   SIMULATED_GPU_TRACE       a file that what happens is appended to; trace.ts reads it
///
/// A line of the trace is a word and pairs `key=value`; the last value of a line may have spaces.
///
///   malloc bytes used, refused bytes used, free bytes used    used: bytes of the GPU after it
///   pin bytes, unpin bytes                                    memory of the host
///   copy on from to bytes wait                                on: a stream, or a graph that is captured; wait: whether the caller does
///   fill on bytes
///   launch on kernel
///   call on name                                              of cuBLAS or cuDNN, that computes
///   wait for
///   capture stream graph, graph graph launches calls copies, replay on graph
///   illegal call error                                        what CUDA forbids
///   unsupported name                                          what is not simulated
///   peak bytes                                                at the end of the process
#pragma once

#include <cstddef>
#include <string>

namespace simulated_gpu {

/// The runtime's errors, which the driver numbers alike.
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
/// By the numbers of cudaDeviceAttr, which are those of CUdevice_attribute; 0 for what is not known.
int attribute(int number);

enum class Memory { kPageable, kPinned, kDevice };

/// Any thread. Errors: kOutOfMemory for more than is free.
int allocate(Memory memory, std::size_t bytes, void** address);
/// Errors: kInvalidValue for what allocate() did not give. Null is nothing.
int release(Memory memory, void* address);
Memory memory_of(const void* address);
const char* memory_name(const void* address);

/// Errors: kInvalidValue for a range that leaves its allocation.
int copy_now(void* to, const void* from, std::size_t bytes);
int fill_now(void* to, int value, std::size_t bytes);

/// Whether there is a trace; for what costs time to say.
bool tracing();
/// Adds a line, of a format as printf's.
void trace(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// What stands for a function that is not simulated. Returns `error`.
int unsupported(const char* name, int error);

}  // namespace simulated_gpu
