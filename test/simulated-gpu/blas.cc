/// libcublas.so: matrix products, which are counted but not computed.
#include "library.h"

using simulated_gpu::Handle;

SIMULATED_GPU_MAKES(cublasCreate_v2)
SIMULATED_GPU_DESTROYS(cublasDestroy_v2)
SIMULATED_GPU_SUCCEEDS(cublasSetMathMode)

SIMULATED_GPU_COMPUTES(cublasDgeam)
SIMULATED_GPU_COMPUTES(cublasDgemmBatched)
SIMULATED_GPU_COMPUTES(cublasDgemmStridedBatched)
SIMULATED_GPU_COMPUTES(cublasDgemm_v2)
SIMULATED_GPU_COMPUTES(cublasGemmBatchedEx)
SIMULATED_GPU_COMPUTES(cublasGemmEx)
SIMULATED_GPU_COMPUTES(cublasGemmStridedBatchedEx)
SIMULATED_GPU_COMPUTES(cublasHgemm)
SIMULATED_GPU_COMPUTES(cublasScopy_v2)
SIMULATED_GPU_COMPUTES(cublasSgeam)
SIMULATED_GPU_COMPUTES(cublasSgemmBatched)
SIMULATED_GPU_COMPUTES(cublasSgemmStridedBatched)
SIMULATED_GPU_COMPUTES(cublasSgemm_v2)
SIMULATED_GPU_COMPUTES(cublasSscal_v2)

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
