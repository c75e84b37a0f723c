/// libcudnn.so.9: of cuDNN what the provider uses for transformers, which is reductions.
#include <cstddef>

#include "library.h"

using simulated_card::Handle;

SIMULATED_CARD_MAKES(cudnnCreate)
SIMULATED_CARD_DESTROYS(cudnnDestroy)
SIMULATED_CARD_MAKES(cudnnCreateReduceTensorDescriptor)
SIMULATED_CARD_DESTROYS(cudnnDestroyReduceTensorDescriptor)
SIMULATED_CARD_SUCCEEDS(cudnnSetReduceTensorDescriptor)
SIMULATED_CARD_MAKES(cudnnCreateTensorDescriptor)
SIMULATED_CARD_DESTROYS(cudnnDestroyTensorDescriptor)
SIMULATED_CARD_SUCCEEDS(cudnnSetTensor4dDescriptor)
SIMULATED_CARD_SUCCEEDS(cudnnSetTensorNdDescriptor)
SIMULATED_CARD_COMPUTES(cudnnReduceTensor)
SIMULATED_CARD_COMPUTES(cudnnSoftmaxForward)

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
