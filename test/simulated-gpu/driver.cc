/// libcuda.so.1: the driver. Usable on its own to list GPUs. The environment variable FAKE_CUDA_FAILS names a function that fails.
#include <cstdlib>
#include <cstring>

#include "gpu.h"
#include "streams.h"

using namespace simulated_gpu;

namespace {

int outcome(const char* function) {
  const char* failing = std::getenv("FAKE_CUDA_FAILS");
  return failing != nullptr && std::strcmp(failing, function) == 0 ? kNoDevice : kSuccess;
}

using DeviceAddress = unsigned long long;

void* pointer_of(DeviceAddress address) {
  return reinterpret_cast<void*>(address);
}

int copy_with_context(void* to, const void* from, std::size_t bytes, const char* call) {
  if (const int error = require_context()) return error;
  return copy(to, from, bytes, call);
}

}  // namespace

extern "C" {

int cuInit(unsigned) {
  return outcome("cuInit");
}

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return outcome("cuDriverGetVersion");
}

int cuGetErrorString(int error, const char** text) {
  *text = error_text(error);
  return kSuccess;
}

int cuDeviceGetCount(int* count) {
  *count = 1;
  return outcome("cuDeviceGetCount");
}

int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? outcome("cuDeviceGet") : kInvalidDevice;
}

int cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "Simulated GPU", static_cast<std::size_t>(length));
  return outcome("cuDeviceGetName");
}

int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
  *bytes = total_bytes();
  return outcome("cuDeviceTotalMem");
}

int cuDeviceGetAttribute(int* value, int number, int) {
  *value = attribute(number);
  return outcome("cuDeviceGetAttribute");
}

int cuDevicePrimaryCtxRetain(void** context, int) {
  *context = nullptr;
  return outcome("cuDevicePrimaryCtxRetain");
}

int cuDevicePrimaryCtxRelease_v2(int) {
  return kSuccess;
}

int cuCtxPushCurrent_v2(void*) {
  push_context();
  return kSuccess;
}

int cuCtxPopCurrent_v2(void** context) {
  *context = nullptr;
  return pop_context();
}

int cuMemGetInfo_v2(std::size_t* available, std::size_t* total) {
  if (const int error = require_context()) return error;
  *available = free_bytes();
  *total = total_bytes();
  return outcome("cuMemGetInfo");
}

int cuMemcpyHtoD_v2(DeviceAddress to, const void* from, std::size_t bytes) {
  return copy_with_context(pointer_of(to), from, bytes, "cuMemcpyHtoD");
}

int cuMemcpyDtoH_v2(void* to, DeviceAddress from, std::size_t bytes) {
  return copy_with_context(to, pointer_of(from), bytes, "cuMemcpyDtoH");
}

int cuStreamSynchronize(void* stream) {
  if (const int error = require_context()) return error;
  return wait_stream(stream, "cuStreamSynchronize");
}

}  // extern "C"
