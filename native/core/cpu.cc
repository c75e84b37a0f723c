#include "core/cpu.h"

#if defined(SPARSE_RERANK_X86_64)
#include <cstdint>
#if defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#if defined(SPARSE_RERANK_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(SPARSE_RERANK_ARM64)
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>

#include <cstddef>
#elif defined(_WIN32)
#include <windows.h>
#endif
#endif

namespace sparse_rerank {

#if defined(SPARSE_RERANK_X86_64)

namespace {

struct CpuidRegisters {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// All zero for a leaf that the CPU does not support.
CpuidRegisters cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  CpuidRegisters r;
#if defined(_MSC_VER) && !defined(__clang__)
  int highest[4];
  __cpuid(highest, 0);
  if (leaf > static_cast<std::uint32_t>(highest[0])) return r;
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<std::uint32_t>(out[0]), static_cast<std::uint32_t>(out[1]), static_cast<std::uint32_t>(out[2]),
       static_cast<std::uint32_t>(out[3])};
#else
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

/// XCR0: the register state that the operating system saves. Valid only if CPUID reports OSXSAVE.
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
constexpr std::uint32_t kLeaf1EcxAvx = bit(12) | bit(23) | bit(27) | bit(28) | bit(29);  // FMA, POPCNT, OSXSAVE, AVX, F16C
constexpr std::uint32_t kLeaf7EbxAvx2 = bit(5);                                          // AVX2
constexpr std::uint32_t kLeaf7EbxAvx512 = bit(16) | bit(17) | bit(30) | bit(31);         // F, DQ, BW, VL
constexpr std::uint32_t kLeaf7EcxAvx512Vbmi2 = bit(6);                                   // AVX512_VBMI2
constexpr std::uint32_t kLeaf7EcxAvx512Vnni = bit(11);                                   // AVX512_VNNI
[[maybe_unused]] constexpr std::uint32_t kLeaf7EdxAmx = bit(24) | bit(25);               // AMX_TILE, AMX_INT8
constexpr std::uint32_t kLeaf7Sub1EaxAvxVnni = bit(4);                                   // AVX-VNNI
constexpr std::uint64_t kStateAvx = bit(1) | bit(2);                                     // xmm, ymm
constexpr std::uint64_t kStateAvx512 = kStateAvx | bit(5) | bit(6) | bit(7);             // opmask, upper zmm, zmm16-31
[[maybe_unused]] constexpr std::uint64_t kStateAmx = bit(17) | bit(18);                  // tile configuration, tiles

#if defined(SPARSE_RERANK_AMX)
/// Whether the process may use tiles. Linux grants them to a process that asks (since 5.16), and always again.
bool request_tiles() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM; older headers lack the name
  constexpr int kTiles = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTiles) == 0;
}
#endif

}  // namespace

CpuFeatures detect_cpu_features() {
  CpuFeatures features;
  if (!has_all(cpuid(1).ecx, kLeaf1EcxAvx)) return features;
  const std::uint64_t state = enabled_register_state();
  const CpuidRegisters leaf7 = cpuid(7);
  features.avx2 = has_all(state, kStateAvx) && has_all(leaf7.ebx, kLeaf7EbxAvx2);
  features.avx512 = features.avx2 && has_all(state, kStateAvx512) && has_all(leaf7.ebx, kLeaf7EbxAvx512);
  // The first subleaf of leaf 7 reports in EAX the number of further ones.
  features.avx2_vnni = features.avx2 && leaf7.eax >= 1 && has_all(cpuid(7, 1).eax, kLeaf7Sub1EaxAvxVnni);
  features.avx512_vnni = features.avx512 && has_all(leaf7.ecx, kLeaf7EcxAvx512Vnni);
  features.avx512_vbmi2 = features.avx512_vnni && has_all(leaf7.ecx, kLeaf7EcxAvx512Vbmi2);
#if defined(SPARSE_RERANK_AMX)
  features.amx = features.avx512_vbmi2 && has_all(leaf7.edx, kLeaf7EdxAmx);
  features.amx_granted = features.amx && has_all(state, kStateAmx) && request_tiles();
#endif
  return features;
}

#elif defined(SPARSE_RERANK_ARM64)

namespace {

bool has_dot_products() {
#if defined(__linux__)
  constexpr unsigned long kHwcapAsimdDp = 1ul << 20;
  return (getauxval(AT_HWCAP) & kHwcapAsimdDp) != 0;
#elif defined(__APPLE__)
  int value = 0;
  std::size_t size = sizeof(value);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value != 0;
#elif defined(_WIN32)
  constexpr DWORD kDotProducts = 43;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE; older SDKs lack the name
  return IsProcessorFeaturePresent(kDotProducts) != 0;
#else
  return false;
#endif
}

}  // namespace

CpuFeatures detect_cpu_features() {
  return {.neon = true, .neon_dot = has_dot_products()};
}

#else

CpuFeatures detect_cpu_features() {
  return {};
}

#endif

}  // namespace sparse_rerank
