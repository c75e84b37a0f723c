/// libcublasLt.so: the same, with descriptions of what is multiplied.
#include <cstddef>
#include <cstdint>

#include "library.h"

using simulated_card::compute_in;
using simulated_card::Handle;

SIMULATED_CARD_MAKES(cublasLtCreate)
SIMULATED_CARD_DESTROYS(cublasLtDestroy)
SIMULATED_CARD_MAKES(cublasLtMatmulDescCreate)
SIMULATED_CARD_DESTROYS(cublasLtMatmulDescDestroy)
SIMULATED_CARD_SUCCEEDS(cublasLtMatmulDescSetAttribute)
SIMULATED_CARD_MAKES(cublasLtMatmulPreferenceCreate)
SIMULATED_CARD_DESTROYS(cublasLtMatmulPreferenceDestroy)
SIMULATED_CARD_SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)
SIMULATED_CARD_MAKES(cublasLtMatrixLayoutCreate)
SIMULATED_CARD_DESTROYS(cublasLtMatrixLayoutDestroy)
SIMULATED_CARD_SUCCEEDS(cublasLtMatrixLayoutSetAttribute)
SIMULATED_CARD_MAKES(cublasLtMatrixTransformDescCreate)
SIMULATED_CARD_DESTROYS(cublasLtMatrixTransformDescDestroy)

extern "C" {

/// cublasLtMatmulHeuristicResult_t.
struct HeuristicResult {
  std::uint64_t algorithm[8];
  std::size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

/// One way to multiply, without a workspace.
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
