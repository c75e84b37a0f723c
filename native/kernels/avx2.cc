#include "kernels/tables.h"
#include "kernels/target.h"

#if defined(SPARSE_RERANK_X86_64)

#include <immintrin.h>

#include <limits>

namespace sparse_rerank {

SPARSE_RERANK_TARGET_BEGIN("avx2,fma,f16c")

namespace {

struct Simd {
  static constexpr std::size_t kLanes = 8;
  // 12 sums, 3 panel registers and the token: all 16 registers.
  static constexpr std::size_t kColumns = 3;
  static constexpr std::size_t kTokens = 4;
  using Floats = __m256;
  using Ints = __m256i;
  using Mask = __m256;
  using Halves = __m128i;

  static SPARSE_RERANK_INLINE Floats load(const float* from) { return _mm256_loadu_ps(from); }
  static SPARSE_RERANK_INLINE Halves load_halves(const std::uint16_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  static SPARSE_RERANK_INLINE void store(float* to, Floats x) { _mm256_storeu_ps(to, x); }
  static SPARSE_RERANK_INLINE void store(std::uint32_t* to, Ints x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }
  static SPARSE_RERANK_INLINE Floats broadcast(float x) { return _mm256_set1_ps(x); }
  static SPARSE_RERANK_INLINE Ints broadcast(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, float x, Floats c) { return _mm256_fmadd_ps(a, _mm256_set1_ps(x), c); }
  static SPARSE_RERANK_INLINE Mask greater(Floats a, Floats b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
  static SPARSE_RERANK_INLINE Floats select_floats(Mask mask, Floats a, Floats b) { return _mm256_blendv_ps(b, a, mask); }
  static SPARSE_RERANK_INLINE Ints select_ints(Mask mask, Ints a, Ints b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(mask)); }
  static SPARSE_RERANK_INLINE Floats widen_f16(Halves in) { return _mm256_cvtph_ps(in); }
  static SPARSE_RERANK_INLINE Floats widen_bf16(Halves in) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(in), 16)); }
};

#include "kernels/simd.inc"

}  // namespace

SPARSE_RERANK_TARGET_END

const KernelTable kAvx2Kernels = {
    .name = "avx2",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
};

}  // namespace sparse_rerank

#endif
