#pragma once

#include <napi.h>

#include "inference/cuda/cuda_provider.h"

/// The devices that can run models besides the CPU, as lib/native/contract.ts declares them. JS thread; the driver is queried on pool
/// threads.
namespace sparse_rerank::binding {

CudaSpec read_cuda(const Napi::Object& object);

/// providers(): string[]
Napi::Value providers(const Napi::CallbackInfo& info);
/// cudaDevices(): Promise<NativeCudaDevices>
Napi::Value start_cuda_devices(const Napi::CallbackInfo& info);
/// checkCuda(cuda): Promise<NativeCudaDevice>
Napi::Value start_cuda_check(const Napi::CallbackInfo& info);

}  // namespace sparse_rerank::binding
