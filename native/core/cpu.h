#pragma once

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define SPARSE_RERANK_X86_64 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define SPARSE_RERANK_ARM64 1
#endif

// Linux alone: other systems enable tiles in their own ways. GCC 11 and clang 12 are the first to know the instructions.
#if defined(SPARSE_RERANK_X86_64) && defined(__linux__)
#if defined(__clang__)
#if __clang_major__ >= 12
#define SPARSE_RERANK_AMX 1
#endif
#elif defined(__GNUC__) && __GNUC__ >= 11
#define SPARSE_RERANK_AMX 1
#endif
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
  /// AMX: tiles and their 8-bit products, whether or not this process may use them; includes `avx512_vbmi2`. Only where this project can
  /// use it (SPARSE_RERANK_AMX).
  bool amx = false;
  /// The system lets this process use `amx`.
  bool amx_granted = false;
  /// Part of every 64-bit Arm CPU.
  bool neon = false;
  /// The 8-bit dot products of Armv8.2 (FEAT_DotProd).
  bool neon_dot = false;
};

/// Queries the CPU; does not cache. Any thread. Where the CPU has AMX, asks Linux to let the process use tiles, which must happen before
/// the first of their instructions. From then on Linux refuses alternate signal stacks that are too small for a frame with tiles: 11 KB,
/// the AT_MINSIGSTKSZ of such machines.
[[nodiscard]] CpuFeatures detect_cpu_features();

}  // namespace sparse_rerank
