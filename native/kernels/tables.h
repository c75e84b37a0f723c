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
extern const KernelTable kAvx512Vbmi2Kernels;
#if defined(SPARSE_RERANK_AMX)
extern const KernelTable kAmxKernels;
#endif
/// KernelTable::add_masked for the x86 tables that have no instruction to expand packed bytes.
void add_masked_avx2(MaskedList* lists, std::size_t count, std::size_t groups, std::uint16_t* bounds, std::uint16_t* maxima);
#elif defined(SPARSE_RERANK_ARM64)
extern const KernelTable kNeonKernels;
extern const KernelTable kNeonDotKernels;
#endif

}  // namespace sparse_rerank
