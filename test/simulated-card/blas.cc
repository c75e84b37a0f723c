/// libcublas.so: products of matrices, which do nothing but be counted.
#include "library.h"

using simulated_card::Handle;

SIMULATED_CARD_MAKES(cublasCreate_v2)
SIMULATED_CARD_DESTROYS(cublasDestroy_v2)
SIMULATED_CARD_SUCCEEDS(cublasSetMathMode)

SIMULATED_CARD_COMPUTES(cublasDgeam)
SIMULATED_CARD_COMPUTES(cublasDgemmBatched)
SIMULATED_CARD_COMPUTES(cublasDgemmStridedBatched)
SIMULATED_CARD_COMPUTES(cublasDgemm_v2)
SIMULATED_CARD_COMPUTES(cublasGemmBatchedEx)
SIMULATED_CARD_COMPUTES(cublasGemmEx)
SIMULATED_CARD_COMPUTES(cublasGemmStridedBatchedEx)
SIMULATED_CARD_COMPUTES(cublasHgemm)
SIMULATED_CARD_COMPUTES(cublasScopy_v2)
SIMULATED_CARD_COMPUTES(cublasSgeam)
SIMULATED_CARD_COMPUTES(cublasSgemmBatched)
SIMULATED_CARD_COMPUTES(cublasSgemmStridedBatched)
SIMULATED_CARD_COMPUTES(cublasSgemm_v2)
SIMULATED_CARD_COMPUTES(cublasSscal_v2)

extern "C" {

int cublasSetStream_v2(Handle* handle, void* stream) {
  handle->stream = stream;
  return 0;
}

int cublasGetMathMode(Handle*, int* mode) {
  *mode = 0;
  return 0;
}

const char* cublasGetStatusName(int) {
  return "CUBLAS_STATUS";
}
const char* cublasGetStatusString(int) {
  return "a status of the simulated cuBLAS";
}

}  // extern "C"
