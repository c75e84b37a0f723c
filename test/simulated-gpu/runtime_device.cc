/// libcudart.so.13: the device, errors, streams, events and graphs.
#include <dlfcn.h>

#include <cstring>
#include <string>

#include "cuda13.h"
#include "gpu.h"
#include "runtime.h"
#include "streams.h"

using namespace simulated_gpu;

namespace {

thread_local int last_error = kSuccess;

}  // namespace

namespace simulated_gpu {

int called(int error) {
  enter_context();
  if (error != kSuccess) last_error = error;
  return error;
}

}  // namespace simulated_gpu

extern "C" {

int cudaGetLastError() {
  const int error = last_error;
  last_error = kSuccess;
  return error;
}

int cudaPeekAtLastError() {
  return last_error;
}
const char* cudaGetErrorName(int error) {
  return error_name(error);
}
const char* cudaGetErrorString(int error) {
  return error_text(error);
}

int cudaDriverGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}

int cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return kSuccess;
}

int cudaGetDeviceCount(int* count) {
  *count = 1;
  return kSuccess;
}

int cudaGetDevice(int* device) {
  *device = 0;
  return kSuccess;
}

int cudaSetDevice(int device) {
  return called(device == 0 ? kSuccess : kInvalidDevice);
}
int cudaDeviceSynchronize() {
  return called(wait_all("cudaDeviceSynchronize"));
}

int cudaDeviceGetAttribute(int* value, int number, int device) {
  *value = attribute(number);
  return called(device == 0 ? kSuccess : kInvalidDevice);
}

int cudaGetDeviceProperties(DeviceProperties* properties, int device) {
  if (device != 0) return called(kInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "Simulated GPU");
  properties->total_memory = total_bytes();
  properties->major = capability_major();
  properties->minor = capability_minor();
  properties->threads_of_block = attribute(1);
  for (int i = 0; i < 3; ++i) {
    properties->block_dimensions[i] = attribute(2 + i);
    properties->grid_dimensions[i] = attribute(5 + i);
  }
  properties->shared_memory_of_block = static_cast<std::size_t>(attribute(8));
  properties->constant_memory = static_cast<std::size_t>(attribute(9));
  properties->warp = attribute(10);
  properties->registers_of_block = attribute(12);
  properties->multiprocessors = attribute(16);
  properties->concurrent_kernels = attribute(31);
  properties->l2_cache = attribute(38);
  properties->threads_of_multiprocessor = attribute(39);
  properties->unified_addressing = attribute(41);
  properties->shared_memory_of_multiprocessor = static_cast<std::size_t>(attribute(81));
  properties->registers_of_multiprocessor = attribute(82);
  properties->cooperative_launch = attribute(95);
  properties->opt_in_shared_memory_of_block = static_cast<std::size_t>(attribute(97));
  properties->blocks_of_multiprocessor = attribute(106);
  properties->copy_engines = 2;
  properties->can_map_host_memory = 1;
  return called(kSuccess);
}

/// A name refers to the newest version of a function, which the driver's library may export with a suffix.
int cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long, int* status) {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  *function = nullptr;
  if (driver != nullptr) {
    *function = dlsym(driver, (std::string(name) + "_v2").c_str());
    if (*function == nullptr) *function = dlsym(driver, name);
  }
  if (status != nullptr) *status = *function == nullptr ? 1 : 0;
  if (*function != nullptr) return called(kSuccess);
  return called(unsupported(name, kNotFound));
}

int cudaStreamCreate(void** stream) {
  return called(create_stream(true, stream));
}
int cudaStreamCreateWithFlags(void** stream, unsigned flags) {
  return called(create_stream((flags & 1U) == 0, stream));
}
int cudaStreamDestroy(void* stream) {
  return called(destroy_stream(stream));
}
int cudaStreamSynchronize(void* stream) {
  return called(wait_stream(stream, "cudaStreamSynchronize"));
}
int cudaStreamWaitEvent(void* stream, void* event, unsigned) {
  return called(wait_in_stream(stream, event));
}
int cudaStreamBeginCapture(void* stream, int mode) {
  return called(begin_capture(stream, mode));
}
int cudaStreamEndCapture(void* stream, void** graph) {
  return called(end_capture(stream, graph));
}
int cudaStreamIsCapturing(void* stream, int* status) {
  return called(capture_status(stream, status));
}

int cudaLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return called(enqueue(stream, Work::kCall, "call", "name=cudaLaunchHostFunc", [=] {
    function(data);
    return static_cast<int>(kSuccess);
  }));
}

int cudaGraphInstantiate(void** executable, void* graph, unsigned long long) {
  return called(instantiate_graph(graph, executable));
}
int cudaGraphLaunch(void* executable, void* stream) {
  return called(replay_graph(executable, stream));
}
int cudaGraphDestroy(void* graph) {
  return called(destroy_graph(graph));
}
int cudaGraphExecDestroy(void* executable) {
  return called(destroy_executable(executable));
}

int cudaEventCreate(void** event) {
  return called(create_event(event));
}
int cudaEventCreateWithFlags(void** event, unsigned) {
  return called(create_event(event));
}
int cudaEventDestroy(void* event) {
  return called(destroy_event(event));
}
int cudaEventRecord(void* event, void* stream) {
  return called(record_event(event, stream));
}
int cudaEventRecordWithFlags(void* event, void* stream, unsigned) {
  return called(record_event(event, stream));
}
int cudaEventSynchronize(void* event) {
  return called(wait_event(event));
}

int cudaEventElapsedTime(float* milliseconds, void*, void*) {
  *milliseconds = 0;
  return called(kSuccess);
}

}  // extern "C"
