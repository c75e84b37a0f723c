#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"

namespace sparse_rerank {

/// The GPU that a session runs on.
struct CudaSpec {
  int device = 0;
  /// Options of ONNX Runtime's CUDA provider under its own names: gpu_mem_limit, arena_extend_strategy, use_tf32.
  std::vector<std::pair<std::string, std::string>> options;
  /// Whether single sequences run as CUDA graphs.
  bool graphs = false;
};

using CudaProviderOptions = OrtPointer<ort::OrtCUDAProviderOptionsV2>;

/// The execution providers that the library was built with; their own libraries may be missing.
Result<std::vector<std::string>> available_providers(const Runtime& runtime);

/// The strings in a library that look like ONNX Runtime versions, 1.NN.N.
std::vector<std::string> find_releases(std::string_view bytes);

/// Loads the provider's library, which is next to ONNX Runtime's, and the CUDA libraries that it needs. Takes seconds the first time.
/// Errors: ERR_DEVICE_UNAVAILABLE (the message names the file that could not be loaded).
Result<CudaProviderOptions> make_cuda_options(const Runtime& runtime, const CudaSpec& spec);

}  // namespace sparse_rerank
