/// What the parts of the runtime have in common.
#pragma once

namespace simulated_gpu {

/// Ends every call of the runtime: makes the context current, and keeps an error for cudaGetLastError().
int called(int error);

}  // namespace simulated_gpu
