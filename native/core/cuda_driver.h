#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

struct CudaDevice {
  std::string name;
  std::size_t total_bytes = 0;
  std::size_t free_bytes = 0;  // what other processes leave
  int major = 0;               // compute capability
  int minor = 0;
};

/// NVIDIA's driver, loaded as a library: building this needs nothing from CUDA. The library stays loaded.
class CudaDriver {
  struct Functions;

 public:
  /// The name that the loader searches for.
#ifdef _WIN32
  static constexpr const char* kLibrary = "nvcuda.dll";
#else
  static constexpr const char* kLibrary = "libcuda.so.1";
#endif

  /// Any thread. The first call may take a second, since the driver starts every GPU.
  /// Errors: ERR_DEVICE_UNAVAILABLE (the library is missing or broken, or the driver cannot start); the message names the library.
  static Result<CudaDriver> open();

  /// The newest CUDA version that it supports: 13000 for 13.0.
  [[nodiscard]] int version() const { return version_; }
  /// In the order of `cuda:N`, which CUDA_VISIBLE_DEVICES affects. Errors: ERR_DEVICE_UNAVAILABLE.
  [[nodiscard]] Result<std::vector<CudaDevice>> devices() const;
  /// Errors: ERR_DEVICE_UNAVAILABLE (there is no such GPU).
  [[nodiscard]] Result<CudaDevice> device(int index) const;

  /// Copies to and from the memory of a GPU, on the calling thread; a copy has completed when the call returns.
  class Copier {
   public:
    Copier(const Copier&) = delete;
    Copier& operator=(const Copier&) = delete;
    ~Copier();

    /// @param to, from memory of the GPU
    Status to_card(void* to, const void* from, std::size_t bytes) const;
    Status from_card(void* to, const void* from, std::size_t bytes) const;

   private:
    friend class CudaDriver;
    Copier(std::shared_ptr<const Functions> functions, int device, void* context)
        : functions_(std::move(functions)), device_(device), context_(context) {}
    Status in_context(const char* call, const std::function<int()>& copy) const;

    std::shared_ptr<const Functions> functions_;
    int device_;
    void* context_;
  };
  /// Errors: ERR_DEVICE_UNAVAILABLE.
  [[nodiscard]] Result<std::unique_ptr<const Copier>> copier(int index) const;

 private:
  CudaDriver(std::shared_ptr<const Functions> functions, int version) : functions_(std::move(functions)), version_(version) {}

  std::shared_ptr<const Functions> functions_;
  int version_;
};

}  // namespace sparse_rerank
