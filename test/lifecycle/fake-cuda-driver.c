/* A driver with one card, for tests on machines without one. FAKE_CUDA_FAILS names a function that fails. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int fails(const char* function) {
  const char* failing = getenv("FAKE_CUDA_FAILS");
  return failing != NULL && strcmp(failing, function) == 0 ? 100 : 0;
}

static const size_t kTotal = 8000000000;
static const size_t kFree = 7000000000;

int cuInit(unsigned flags) { return (void)flags, fails("cuInit"); }
int cuDriverGetVersion(int* version) { return *version = 12040, fails("cuDriverGetVersion"); }
int cuGetErrorString(int error, const char** text) { return (void)error, *text = "no CUDA-capable device is detected", 0; }
int cuDeviceGetCount(int* count) { return *count = 1, fails("cuDeviceGetCount"); }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, fails("cuDeviceGet"); }
int cuDeviceGetName(char* name, int length, int device) { return (void)device, strncpy(name, "Test card", (size_t)length), fails("cuDeviceGetName"); }
int cuDeviceTotalMem_v2(size_t* bytes, int device) { return (void)device, *bytes = kTotal, fails("cuDeviceTotalMem"); }
int cuDeviceGetAttribute(int* value, int attribute, int device) { return (void)device, *value = attribute == 75 ? 9 : 0, fails("cuDeviceGetAttribute"); }
int cuDevicePrimaryCtxRetain(void** context, int device) { return (void)device, *context = NULL, fails("cuDevicePrimaryCtxRetain"); }
int cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, 0; }
int cuCtxPushCurrent_v2(void* context) { return (void)context, 0; }
int cuCtxPopCurrent_v2(void** context) { return *context = NULL, 0; }
int cuMemGetInfo_v2(size_t* available, size_t* total) { return *available = kFree, *total = kTotal, fails("cuMemGetInfo"); }
