#include "core/cpu.h"

#if defined(SPARSE_RERANK_X86_64)
#include <cstdint>
#if defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace sparse_rerank {

#if defined(SPARSE_RERANK_X86_64)

namespace {

struct CpuidRegisters {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// All zero for a leaf that the CPU does not have.
CpuidRegisters cpuid(std::uint32_t leaf) {
  CpuidRegisters r;
#if defined(_MSC_VER) && !defined(__clang__)
  int highest[4];
  __cpuid(highest, 0);
  if (leaf > static_cast<std::uint32_t>(highest[0])) return r;
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), 0);
  r = {static_cast<std::uint32_t>(out[0]), static_cast<std::uint32_t>(out[1]), static_cast<std::uint32_t>(out[2]),
       static_cast<std::uint32_t>(out[3])};
#else
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

/// XCR0: the register state that the operating system saves. Only legal where CPUID reports OSXSAVE.
std::uint64_t enabled_register_state() {
#if defined(_MSC_VER) && !defined(__clang__)
  return _xgetbv(0);
#else
  // The intrinsic would need -mxsave for this file.
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

constexpr bool has_all(std::uint64_t value, std::uint64_t bits) {
  return (value & bits) == bits;
}

constexpr std::uint32_t bit(int n) {
  return std::uint32_t{1} << n;
}

// Intel SDM volume 2A, CPUID; volume 1, 13.3 (XCR0).
constexpr std::uint32_t kLeaf1EcxAvx = bit(12) | bit(27) | bit(28) | bit(29);     // FMA, OSXSAVE, AVX, F16C
constexpr std::uint32_t kLeaf7EbxAvx2 = bit(5);                                   // AVX2
constexpr std::uint32_t kLeaf7EbxAvx512 = bit(16) | bit(17) | bit(30) | bit(31);  // F, DQ, BW, VL
constexpr std::uint64_t kStateAvx = bit(1) | bit(2);                              // xmm, ymm
constexpr std::uint64_t kStateAvx512 = kStateAvx | bit(5) | bit(6) | bit(7);      // opmask, upper zmm, zmm16-31

}  // namespace

CpuFeatures detect_cpu_features() {
  CpuFeatures features;
  if (!has_all(cpuid(1).ecx, kLeaf1EcxAvx)) return features;
  const std::uint64_t state = enabled_register_state();
  const std::uint32_t leaf7 = cpuid(7).ebx;
  features.avx2 = has_all(state, kStateAvx) && has_all(leaf7, kLeaf7EbxAvx2);
  features.avx512 = features.avx2 && has_all(state, kStateAvx512) && has_all(leaf7, kLeaf7EbxAvx512);
  return features;
}

#elif defined(SPARSE_RERANK_ARM64)

CpuFeatures detect_cpu_features() {
  return {.neon = true};
}

#else

CpuFeatures detect_cpu_features() {
  return {};
}

#endif

}  // namespace sparse_rerank
