/// libcublasLt.so: matrix products with descriptors of their operands; counted but not computed.
#include <cstddef>
#include <cstdint>

#include "library.h"

using simulated_gpu::compute_in;
using simulated_gpu::Handle;

SIMULATED_GPU_MAKES(cublasLtCreate)
SIMULATED_GPU_DESTROYS(cublasLtDestroy)
SIMULATED_GPU_MAKES(cublasLtMatmulDescCreate)
SIMULATED_GPU_DESTROYS(cublasLtMatmulDescDestroy)
SIMULATED_GPU_SUCCEEDS(cublasLtMatmulDescSetAttribute)
SIMULATED_GPU_MAKES(cublasLtMatmulPreferenceCreate)
SIMULATED_GPU_DESTROYS(cublasLtMatmulPreferenceDestroy)
SIMULATED_GPU_SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)
SIMULATED_GPU_MAKES(cublasLtMatrixLayoutCreate)
SIMULATED_GPU_DESTROYS(cublasLtMatrixLayoutDestroy)
SIMULATED_GPU_SUCCEEDS(cublasLtMatrixLayoutSetAttribute)
SIMULATED_GPU_MAKES(cublasLtMatrixTransformDescCreate)
SIMULATED_GPU_DESTROYS(cublasLtMatrixTransformDescDestroy)

extern "C" {

/// cublasLtMatmulHeuristicResult_t.
struct HeuristicResult {
  std::uint64_t algorithm[8];
  std::size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

/// Offers one algorithm, without a workspace.
int cublasLtMatmulAlgoGetHeuristic(Handle*, void*, void*, void*, void*, void*, void*, int wanted, HeuristicResult* results, int* found) {
  *found = wanted > 0 ? 1 : 0;
  if (wanted > 0) results[0] = {};
  return 0;
}

int cublasLtMatmul(Handle*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*, void*, void*, void*,
                   const void*, void*, std::size_t, void* stream) {
  return compute_in(stream, "cublasLtMatmul");
}

int cublasLtMatrixTransform(Handle*, void*, const void*, const void*, void*, const void*, const void*, void*, void*, void*, void* stream) {
  return compute_in(stream, "cublasLtMatrixTransform");
}

}  // extern "C"
