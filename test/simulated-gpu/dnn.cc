/// libcudnn.so.9: the reductions, which are all that the provider uses of cuDNN for transformers.
#include <cstddef>

#include "library.h"

using simulated_gpu::Handle;

SIMULATED_GPU_MAKES(cudnnCreate)
SIMULATED_GPU_DESTROYS(cudnnDestroy)
SIMULATED_GPU_MAKES(cudnnCreateReduceTensorDescriptor)
SIMULATED_GPU_DESTROYS(cudnnDestroyReduceTensorDescriptor)
SIMULATED_GPU_SUCCEEDS(cudnnSetReduceTensorDescriptor)
SIMULATED_GPU_MAKES(cudnnCreateTensorDescriptor)
SIMULATED_GPU_DESTROYS(cudnnDestroyTensorDescriptor)
SIMULATED_GPU_SUCCEEDS(cudnnSetTensor4dDescriptor)
SIMULATED_GPU_SUCCEEDS(cudnnSetTensorNdDescriptor)
SIMULATED_GPU_COMPUTES(cudnnReduceTensor)
SIMULATED_GPU_COMPUTES(cudnnSoftmaxForward)

extern "C" {

std::size_t cudnnGetVersion() {
  return 91000;
}
const char* cudnnGetErrorString(int) {
  return "a status of the simulated cuDNN";
}

int cudnnSetStream(Handle* handle, void* stream) {
  handle->stream = stream;
  return 0;
}

int cudnnGetReductionIndicesSize(Handle*, void*, void*, void*, std::size_t* bytes) {
  *bytes = 0;
  return 0;
}

int cudnnGetReductionWorkspaceSize(Handle*, void*, void*, void*, std::size_t* bytes) {
  *bytes = 0;
  return 0;
}

}  // extern "C"
