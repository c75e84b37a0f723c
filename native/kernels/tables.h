#pragma once

#include "core/cpu.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

extern const KernelTable kScalarKernels;
#if defined(SPARSE_RERANK_X86_64)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx2VnniKernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAvx512VnniKernels;
#elif defined(SPARSE_RERANK_ARM64)
extern const KernelTable kNeonKernels;
extern const KernelTable kNeonDotKernels;
#endif

}  // namespace sparse_rerank
