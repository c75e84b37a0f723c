#include "core/cuda_driver.h"

#include <array>
#include <cstdint>
#include <memory>

#include "core/shared_library.h"

#ifdef _WIN32
#define SPARSE_RERANK_CUDA_CALL __stdcall
#else
#define SPARSE_RERANK_CUDA_CALL
#endif

namespace sparse_rerank {

/// The part of the driver's interface in use. Results are CUresult, 0 on success; the suffix _v2 is part of a symbol's name.
struct CudaDriver::Functions {
  using Device = int;
  using Context = void*;

  int(SPARSE_RERANK_CUDA_CALL* cuInit)(unsigned flags);
  int(SPARSE_RERANK_CUDA_CALL* cuDriverGetVersion)(int* version);
  int(SPARSE_RERANK_CUDA_CALL* cuGetErrorString)(int error, const char** text);
  int(SPARSE_RERANK_CUDA_CALL* cuDeviceGetCount)(int* count);
  int(SPARSE_RERANK_CUDA_CALL* cuDeviceGet)(Device* device, int ordinal);
  int(SPARSE_RERANK_CUDA_CALL* cuDeviceGetName)(char* name, int length, Device device);
  int(SPARSE_RERANK_CUDA_CALL* cuDeviceTotalMem_v2)(std::size_t* bytes, Device device);
  int(SPARSE_RERANK_CUDA_CALL* cuDeviceGetAttribute)(int* value, int attribute, Device device);
  int(SPARSE_RERANK_CUDA_CALL* cuDevicePrimaryCtxRetain)(Context* context, Device device);
  int(SPARSE_RERANK_CUDA_CALL* cuDevicePrimaryCtxRelease_v2)(Device device);
  int(SPARSE_RERANK_CUDA_CALL* cuCtxPushCurrent_v2)(Context context);
  int(SPARSE_RERANK_CUDA_CALL* cuCtxPopCurrent_v2)(Context* context);
  int(SPARSE_RERANK_CUDA_CALL* cuMemGetInfo_v2)(std::size_t* free, std::size_t* total);
  int(SPARSE_RERANK_CUDA_CALL* cuMemcpyHtoD_v2)(std::uintptr_t to, const void* from, std::size_t bytes);
  int(SPARSE_RERANK_CUDA_CALL* cuMemcpyDtoH_v2)(void* to, std::uintptr_t from, std::size_t bytes);
  int(SPARSE_RERANK_CUDA_CALL* cuStreamSynchronize)(void* stream);

  static constexpr int kComputeCapabilityMajor = 75;
  static constexpr int kComputeCapabilityMinor = 76;

  [[nodiscard]] Status check(int result, const char* call) const {
    if (result == 0) return std::nullopt;
    const char* text = nullptr;
    cuGetErrorString(result, &text);
    return Error{"ERR_DEVICE_UNAVAILABLE", std::string(kLibrary) + ": " + call + " failed with error " + std::to_string(result) + " (" +
                                               (text == nullptr ? "unknown" : text) + ")"};
  }

  [[nodiscard]] Result<std::size_t> free_bytes(Device device) const;
  [[nodiscard]] Result<CudaDevice> describe(int ordinal) const;
};

namespace {

/// Leaves the function null if the library has no such symbol, and records the name of the first one missing.
template <typename Function>
void resolve(const SharedLibrary& library, const char* name, Function& function, const char*& missing) {
  function = reinterpret_cast<Function>(library.symbol(name));
  if (function == nullptr && missing == nullptr) missing = name;
}

}  // namespace

Result<CudaDriver> CudaDriver::open() {
  auto library = SharedLibrary::open(kLibrary);
  if (!library) return Error{"ERR_DEVICE_UNAVAILABLE", std::string(kLibrary) + " could not be loaded: " + library.error().message};
  auto functions = std::make_unique<Functions>();
  const char* missing = nullptr;
#define SPARSE_RERANK_CUDA_RESOLVE(name) resolve(library.value(), #name, functions->name, missing)
  SPARSE_RERANK_CUDA_RESOLVE(cuInit);
  SPARSE_RERANK_CUDA_RESOLVE(cuDriverGetVersion);
  SPARSE_RERANK_CUDA_RESOLVE(cuGetErrorString);
  SPARSE_RERANK_CUDA_RESOLVE(cuDeviceGetCount);
  SPARSE_RERANK_CUDA_RESOLVE(cuDeviceGet);
  SPARSE_RERANK_CUDA_RESOLVE(cuDeviceGetName);
  SPARSE_RERANK_CUDA_RESOLVE(cuDeviceTotalMem_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuDeviceGetAttribute);
  SPARSE_RERANK_CUDA_RESOLVE(cuDevicePrimaryCtxRetain);
  SPARSE_RERANK_CUDA_RESOLVE(cuDevicePrimaryCtxRelease_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuCtxPushCurrent_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuCtxPopCurrent_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuMemGetInfo_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuMemcpyHtoD_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuMemcpyDtoH_v2);
  SPARSE_RERANK_CUDA_RESOLVE(cuStreamSynchronize);
#undef SPARSE_RERANK_CUDA_RESOLVE
  if (missing != nullptr) return Error{"ERR_DEVICE_UNAVAILABLE", std::string(kLibrary) + " has no function " + missing};
  if (auto failure = functions->check(functions->cuInit(0), "cuInit")) return *failure;
  int version = 0;
  if (auto failure = functions->check(functions->cuDriverGetVersion(&version), "cuDriverGetVersion")) return *failure;
  return CudaDriver(std::shared_ptr<const Functions>(std::move(functions)), version);
}

Result<std::vector<CudaDevice>> CudaDriver::devices() const {
  int count = 0;
  if (auto failure = functions_->check(functions_->cuDeviceGetCount(&count), "cuDeviceGetCount")) return *failure;
  std::vector<CudaDevice> devices;
  for (int i = 0; i < count; ++i) {
    auto device = functions_->describe(i);
    if (!device) return std::move(device).error();
    devices.push_back(std::move(device).value());
  }
  return devices;
}

Result<CudaDevice> CudaDriver::device(int index) const {
  int count = 0;
  if (auto failure = functions_->check(functions_->cuDeviceGetCount(&count), "cuDeviceGetCount")) return *failure;
  if (index < count) return functions_->describe(index);
  return Error{"ERR_DEVICE_UNAVAILABLE", "there is no CUDA device " + std::to_string(index) + ": the driver shows " +
                                             std::to_string(count) + (count == 1 ? " device" : " devices")};
}

Result<CudaDevice> CudaDriver::Functions::describe(int ordinal) const {
  Device handle = 0;
  if (auto failure = check(cuDeviceGet(&handle, ordinal), "cuDeviceGet")) return *failure;
  CudaDevice device;
  std::array<char, 256> name{};
  if (auto failure = check(cuDeviceGetName(name.data(), static_cast<int>(name.size() - 1), handle), "cuDeviceGetName")) return *failure;
  device.name = name.data();
  if (auto failure = check(cuDeviceTotalMem_v2(&device.total_bytes, handle), "cuDeviceTotalMem")) return *failure;
  if (auto failure = check(cuDeviceGetAttribute(&device.major, kComputeCapabilityMajor, handle), "cuDeviceGetAttribute")) return *failure;
  if (auto failure = check(cuDeviceGetAttribute(&device.minor, kComputeCapabilityMinor, handle), "cuDeviceGetAttribute")) return *failure;
  auto free = free_bytes(handle);
  if (!free) return std::move(free).error();
  device.free_bytes = free.value();
  return device;
}

/// Only a context knows it. ONNX Runtime uses the primary context, so retaining it here leaves no second one behind.
Result<std::size_t> CudaDriver::Functions::free_bytes(Device device) const {
  Context context = nullptr;
  if (auto failure = check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain")) return *failure;
  std::size_t free = 0;
  std::size_t total = 0;
  Status failure = check(cuCtxPushCurrent_v2(context), "cuCtxPushCurrent");
  if (!failure) {
    failure = check(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    cuCtxPopCurrent_v2(&context);
  }
  cuDevicePrimaryCtxRelease_v2(device);
  if (failure) return *failure;
  return free;
}

Result<std::unique_ptr<const CudaDriver::Copier>> CudaDriver::copier(int index) const {
  Functions::Device device = 0;
  if (auto failure = functions_->check(functions_->cuDeviceGet(&device, index), "cuDeviceGet")) return *failure;
  Functions::Context context = nullptr;
  if (auto failure = functions_->check(functions_->cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain")) return *failure;
  return std::unique_ptr<const Copier>(new Copier(functions_, device, context));
}

CudaDriver::Copier::~Copier() {
  functions_->cuDevicePrimaryCtxRelease_v2(device_);
}

Status CudaDriver::Copier::to_card(void* to, const void* from, std::size_t bytes) const {
  return in_context("cuMemcpyHtoD", [&] {
    const int result = functions_->cuMemcpyHtoD_v2(reinterpret_cast<std::uintptr_t>(to), from, bytes);
    // The copy of pageable memory may continue after the call.
    return result == 0 ? functions_->cuStreamSynchronize(nullptr) : result;
  });
}

Status CudaDriver::Copier::from_card(void* to, const void* from, std::size_t bytes) const {
  return in_context("cuMemcpyDtoH", [&] { return functions_->cuMemcpyDtoH_v2(to, reinterpret_cast<std::uintptr_t>(from), bytes); });
}

Status CudaDriver::Copier::in_context(const char* call, const std::function<int()>& copy) const {
  if (auto failure = functions_->check(functions_->cuCtxPushCurrent_v2(context_), "cuCtxPushCurrent")) return failure;
  const int result = copy();
  Functions::Context popped = nullptr;
  functions_->cuCtxPopCurrent_v2(&popped);
  return functions_->check(result, call);
}

}  // namespace sparse_rerank
