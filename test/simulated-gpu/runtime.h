/// Shared by the parts of the runtime.
#pragma once

namespace simulated_gpu {

/// Called at the end of every runtime function: makes the context current, and stores an error for cudaGetLastError().
int called(int error);

}  // namespace simulated_gpu
