#pragma once

#include "core/cpu.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

extern const KernelTable kScalarKernels;
#if defined(SPARSE_RERANK_X86_64)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#elif defined(SPARSE_RERANK_ARM64)
extern const KernelTable kNeonKernels;
#endif

}  // namespace sparse_rerank
