#include <algorithm>
#include <array>

#include "gpu.h"

namespace simulated_gpu {

/// The attributes of an H100, regardless of the compute capability that is set.
int attribute(int number) {
  switch (number) {
    case 1:  // threads of a block
    case 2:  // the same in x
    case 3:  // in y
      return 1024;
    case 4:  // in z
      return 64;
    case 5:  // blocks of a grid in x
      return 2147483647;
    case 6:  // in y
    case 7:  // in z
      return 65535;
    case 8:  // bytes of shared memory of a block, unless it asks for more
      return 48 << 10;
    case 9:  // bytes of constant memory
      return 64 << 10;
    case 10:  // threads of a warp
      return 32;
    case 12:  // registers of a block
    case 82:  // and of a multiprocessor
      return 65536;
    case 16:  // multiprocessors
      return 132;
    case 38:  // bytes of the L2 cache
      return 50 << 20;
    case 39:  // threads of a multiprocessor
      return 2048;
    case 75:
      return capability_major();
    case 76:
      return capability_minor();
    case 81:  // bytes of shared memory of a multiprocessor
      return 228 << 10;
    case 97:  // of a block that asks for it
      return 227 << 10;
    case 106:  // blocks of a multiprocessor
      return 32;
    case 31:   // concurrent kernels
    case 41:   // one address space for host and GPU
    case 95:   // cooperative launches
    case 115:  // pools of memory
      return 1;
    default:
      return 0;
  }
}

namespace {

struct Known {
  int error;
  const char* name;
  const char* text;
};

constexpr std::array kErrors = {
    Known{kSuccess, "cudaSuccess", "no error"},
    Known{kInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    Known{kOutOfMemory, "cudaErrorMemoryAllocation", "out of memory"},
    Known{kInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    Known{kNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    Known{kInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    Known{kInvalidContext, "cudaErrorDeviceUninitialized", "invalid device context"},
    Known{kInvalidHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    Known{kNotFound, "cudaErrorSymbolNotFound", "named symbol not found"},
    Known{kNotSupported, "cudaErrorNotSupported", "operation not supported"},
    Known{kCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    Known{kCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"},
    Known{kCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not initiated in this stream"},
    Known{kCaptureImplicit, "cudaErrorStreamCaptureImplicit",
          "operation would make the legacy stream depend on a capturing blocking stream"},
    Known{kCapturedEvent, "cudaErrorCapturedEvent", "operation not permitted on an event last recorded in a capturing stream"},
};

const Known& known(int error) {
  static constexpr Known kUnknown{-1, "cudaErrorUnknown", "unknown error"};
  const auto* const found = std::find_if(kErrors.begin(), kErrors.end(), [error](const Known& one) { return one.error == error; });
  return found == kErrors.end() ? kUnknown : *found;
}

}  // namespace

const char* error_name(int error) {
  return known(error).name;
}
const char* error_text(int error) {
  return known(error).text;
}

}  // namespace simulated_gpu
