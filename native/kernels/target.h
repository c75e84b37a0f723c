#pragma once

// SPARSE_RERANK_TARGET_BEGIN("avx2,fma") … SPARSE_RERANK_TARGET_END: functions between the two may use these instruction sets; the rest of
// the file keeps the baseline. MSVC allows every intrinsic everywhere and needs no region.
//
// Include headers before the region, and use no standard-library function or template inside it: the compiler could emit a shared copy with
// these instructions, and the linker could pick that copy for files that run on older CPUs. Functions in the region have internal linkage.

#define SPARSE_RERANK_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define SPARSE_RERANK_TARGET_BEGIN(features) \
  SPARSE_RERANK_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define SPARSE_RERANK_TARGET_END SPARSE_RERANK_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define SPARSE_RERANK_TARGET_BEGIN(features) SPARSE_RERANK_PRAGMA(GCC push_options) SPARSE_RERANK_PRAGMA(GCC target(features))
#define SPARSE_RERANK_TARGET_END SPARSE_RERANK_PRAGMA(GCC pop_options)
#else
#define SPARSE_RERANK_TARGET_BEGIN(features)
#define SPARSE_RERANK_TARGET_END
#endif

// The register tile stays in registers only if its helpers are inlined.
#if defined(_MSC_VER)
#define SPARSE_RERANK_INLINE __forceinline
#else
#define SPARSE_RERANK_INLINE inline __attribute__((always_inline))
#endif

// Keeps a loop whose operands need all registers apart from its caller's.
#if defined(_MSC_VER)
#define SPARSE_RERANK_NOINLINE __declspec(noinline)
#else
#define SPARSE_RERANK_NOINLINE __attribute__((noinline))
#endif

// Completely unrolls the next loop, of at most 16 iterations, at every optimization level.
#if defined(__clang__)
#define SPARSE_RERANK_UNROLL SPARSE_RERANK_PRAGMA(clang loop unroll(full))
#elif defined(__GNUC__)
#define SPARSE_RERANK_UNROLL SPARSE_RERANK_PRAGMA(GCC unroll 16)
#else
#define SPARSE_RERANK_UNROLL
#endif

// A hint: the address may be past the end of its array.
#if defined(__clang__) || defined(__GNUC__)
#define SPARSE_RERANK_PREFETCH(address) __builtin_prefetch(address)
#elif defined(_M_X64)
#define SPARSE_RERANK_PREFETCH(address) _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0)
#else
#define SPARSE_RERANK_PREFETCH(address) __prefetch(address)
#endif
