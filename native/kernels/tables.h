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
/// KernelTable::add_masked of every x86 table. AVX-512 VBMI2 has an instruction to spread bytes, but measured no faster: searches wait for
/// their scattered postings.
void add_masked_avx2(const std::uint64_t* masks, const std::uint8_t* weights, const std::uint8_t* weights_end, std::size_t groups,
                     std::uint16_t factor, std::uint16_t* bounds);
#elif defined(SPARSE_RERANK_ARM64)
extern const KernelTable kNeonKernels;
extern const KernelTable kNeonDotKernels;
#endif

}  // namespace sparse_rerank
