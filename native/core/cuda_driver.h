#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

struct CudaDevice {
  std::string name;
  std::size_t total_bytes = 0;
  std::size_t free_bytes = 0;  // of what other processes leave
  int major = 0;               // compute capability
  int minor = 0;
};

/// NVIDIA's driver, through the library that comes with it: nothing of CUDA is needed to build this. The library stays loaded.
class CudaDriver {
 public:
  /// The name that the loader looks for.
#ifdef _WIN32
  static constexpr const char* kLibrary = "nvcuda.dll";
#else
  static constexpr const char* kLibrary = "libcuda.so.1";
#endif

  /// Any thread. The first call may take a second: the driver starts every card.
  /// Errors: ERR_DEVICE_UNAVAILABLE where the library is missing or broken, or the driver cannot start; the message names the library.
  static Result<CudaDriver> open();

  /// The newest CUDA version that it runs: 13000 for 13.0.
  [[nodiscard]] int version() const { return version_; }
  /// In the order of `cuda:N`, which CUDA_VISIBLE_DEVICES changes. Errors: ERR_DEVICE_UNAVAILABLE.
  [[nodiscard]] Result<std::vector<CudaDevice>> devices() const;
  /// Errors: ERR_DEVICE_UNAVAILABLE where there are fewer cards.
  [[nodiscard]] Result<CudaDevice> device(int index) const;

 private:
  struct Functions;
  CudaDriver(std::shared_ptr<const Functions> functions, int version) : functions_(std::move(functions)), version_(version) {}

  std::shared_ptr<const Functions> functions_;
  int version_;
};

}  // namespace sparse_rerank
