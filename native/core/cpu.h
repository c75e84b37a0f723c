#pragma once

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define SPARSE_RERANK_X86_64 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define SPARSE_RERANK_ARM64 1
#endif

namespace sparse_rerank {

/// Instruction sets that the CPU supports and whose registers the operating system saves. One flag per set that has kernels.
struct CpuFeatures {
  /// AVX2, FMA, F16C and POPCNT.
  bool avx2 = false;
  /// AVX-VNNI: 8-bit dot products in 256-bit registers; includes `avx2`.
  bool avx2_vnni = false;
  /// AVX-512 F, BW, VL and DQ; includes `avx2`.
  bool avx512 = false;
  /// AVX-512 VNNI: 8-bit dot products; includes `avx512`.
  bool avx512_vnni = false;
  /// AVX-512 VBMI2: expands bytes by a mask; includes `avx512_vnni`.
  bool avx512_vbmi2 = false;
  /// Part of every 64-bit Arm CPU.
  bool neon = false;
  /// The 8-bit dot products of Armv8.2 (FEAT_DotProd).
  bool neon_dot = false;
};

/// Queries the CPU; does not cache. Any thread.
[[nodiscard]] CpuFeatures detect_cpu_features();

}  // namespace sparse_rerank
