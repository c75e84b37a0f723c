#include "kernels/tables.h"
#include "kernels/target.h"

#if defined(SPARSE_RERANK_X86_64)

#include <immintrin.h>

#include <limits>
#include <numbers>

namespace sparse_rerank {

SPARSE_RERANK_TARGET_BEGIN("avx2,fma,f16c")

namespace {

struct Simd {
  static constexpr std::size_t kLanes = 8;
  // 12 sums, 3 panel registers and the token: all 16 registers.
  static constexpr std::size_t kColumns = 3;
  static constexpr std::size_t kTokens = 4;
  static constexpr std::size_t kAttentionColumns = 2;
  static constexpr std::size_t kAttentionRows = 6;
  using Floats = __m256;
  using Ints = __m256i;
  using Mask = __m256;
  using Halves = __m128i;

  static SPARSE_RERANK_INLINE Floats load(const float* from) { return _mm256_loadu_ps(from); }
  static SPARSE_RERANK_INLINE Ints load(const std::uint32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
  static SPARSE_RERANK_INLINE Halves load_halves(const std::uint16_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  static SPARSE_RERANK_INLINE void store(float* to, Floats x) { _mm256_storeu_ps(to, x); }
  static SPARSE_RERANK_INLINE void store(std::uint32_t* to, Ints x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x); }
  static SPARSE_RERANK_INLINE Floats broadcast(float x) { return _mm256_set1_ps(x); }
  static SPARSE_RERANK_INLINE Ints broadcast(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, float x, Floats c) { return _mm256_fmadd_ps(a, _mm256_set1_ps(x), c); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static SPARSE_RERANK_INLINE Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats at_least(Floats bound, Floats x) { return _mm256_max_ps(bound, x); }
  static SPARSE_RERANK_INLINE Floats at_most(Floats bound, Floats x) { return _mm256_min_ps(bound, x); }
  static SPARSE_RERANK_INLINE Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static SPARSE_RERANK_INLINE Ints multiply(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints subtract(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints larger(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
  static SPARSE_RERANK_INLINE Floats power_of_two(Floats shifted) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23), _mm256_set1_epi32(0x3f800000)));
  }
  static SPARSE_RERANK_INLINE float sum_of(Floats x) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static SPARSE_RERANK_INLINE float largest_of(Floats x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static SPARSE_RERANK_INLINE void transpose(Floats (&rows)[kLanes]) {
    Floats pairs[kLanes];
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < kLanes; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    // Columns i and i + 4 of rows 0 to 3, and of rows 4 to 7.
    Floats fours[kLanes];
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < kLanes; i += 4) {
      fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
      rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
  }
  static SPARSE_RERANK_INLINE Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
  static SPARSE_RERANK_INLINE bool any_above_zero(Floats x) {
    return _mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NLE_UQ)) != 0;
  }
  static SPARSE_RERANK_INLINE Mask greater(Floats a, Floats b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
  static SPARSE_RERANK_INLINE Floats select_floats(Mask mask, Floats a, Floats b) { return _mm256_blendv_ps(b, a, mask); }
  static SPARSE_RERANK_INLINE Ints select_ints(Mask mask, Ints a, Ints b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(mask)); }
  static SPARSE_RERANK_INLINE Floats widen_f16(Halves in) { return _mm256_cvtph_ps(in); }
  static SPARSE_RERANK_INLINE Floats widen_bf16(Halves in) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(in), 16)); }
};

#include "kernels/simd.inc"

#include "kernels/activation.inc"
#include "kernels/attention.inc"

#include "kernels/largest.inc"
#include "kernels/spread.inc"

class GroupBounds {
 public:
  explicit SPARSE_RERANK_INLINE GroupBounds(const std::uint16_t* bounds) {
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < 4; ++i) sums_[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bounds + 16 * i));
  }

  SPARSE_RERANK_INLINE std::size_t add(std::uint64_t mask, const std::uint8_t* weights, std::uint16_t factor) {
    const __m256i factors = _mm256_set1_epi16(static_cast<short>(factor));
    const std::uint64_t counts = counts_up_to(mask);
    const std::uint64_t before = counts << 8;
    SPARSE_RERANK_UNROLL
    for (unsigned i = 0; i < 4; ++i) {
      const __m128i packed = _mm_unpacklo_epi64(spread(weights + (before >> 16 * i & 0xff), mask >> 16 * i & 0xff),
                                                spread(weights + (before >> (16 * i + 8) & 0xff), mask >> (16 * i + 8) & 0xff));
      const __m256i products = _mm256_mulhi_epu16(_mm256_slli_epi16(_mm256_cvtepu8_epi16(packed), 8), factors);
      sums_[i] = _mm256_adds_epu16(sums_[i], products);
    }
    return counts >> 56;
  }

  SPARSE_RERANK_INLINE std::uint16_t store(std::uint16_t* bounds) const {
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(bounds + 16 * i), sums_[i]);
    const __m256i halves = _mm256_max_epu16(_mm256_max_epu16(sums_[0], sums_[1]), _mm256_max_epu16(sums_[2], sums_[3]));
    return largest_of(_mm_max_epu16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
  }

 private:
  static SPARSE_RERANK_INLINE __m128i spread(const std::uint8_t* weights, std::uint64_t mask) {
    return _mm_shuffle_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSpread.ranks[mask])));
  }

  __m256i sums_[4];
};

#include "kernels/masked.inc"

namespace maddubs {

struct Dot {
  // 255 * 64 * 2 fits 16 bits.
  static constexpr int kWeightLimit = 64;
  static constexpr int kTokenOffset = 128;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(tokens, weights), _mm256_set1_epi16(1)));
  }
};

#include "kernels/screen.inc"

}  // namespace maddubs

namespace signed_bytes {

struct Dot {
  static constexpr int kTokenOffset = 0;
  static constexpr std::size_t kTokenBlock = 1;
  // 8 sums, 4 panel registers, the token, its magnitude, ones and the turned weights.
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t kTokens = 2;
  // The token's magnitude times the weight with the token's sign: 128 * 127 * 2 fits 16 bits.
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
    const Simd::Ints pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(tokens), _mm256_sign_epi8(weights, tokens));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

#include "kernels/int8.inc"

}  // namespace signed_bytes

}  // namespace

SPARSE_RERANK_TARGET_END

SPARSE_RERANK_TARGET_BEGIN("avx2,fma,f16c,avxvnni")

namespace {

namespace vnni {

struct Dot {
  static constexpr int kWeightLimit = 127;
  static constexpr int kTokenOffset = 128;
  static constexpr std::size_t kTokenBlock = 1;
  // 12 sums, 2 panel registers and the token.
  static constexpr std::size_t kColumns = 2;
  static constexpr std::size_t kTokens = 6;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
#if defined(__GNUC__) && !defined(__clang__)
    // See avx512.cc. The prefix selects the encoding of AVX-VNNI.
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(tokens), "x"(weights));
    return sums;
#else
    return _mm256_dpbusd_avx_epi32(sums, tokens, weights);
#endif
  }
};

#include "kernels/int8.inc"
#include "kernels/screen.inc"

}  // namespace vnni

}  // namespace

SPARSE_RERANK_TARGET_END

void add_masked_avx2(MaskedList* lists, std::size_t count, std::size_t groups, std::uint16_t* bounds, std::uint16_t* maxima) {
  add_masked(lists, count, groups, bounds, maxima);
}

const KernelTable kAvx2Kernels = {
    .name = "avx2",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = &maddubs::kScreen,
    .int8 = &signed_bytes::kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = add_masked,
};

const KernelTable kAvx2VnniKernels = {
    .name = "avx2vnni",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = &vnni::kScreen,
    .int8 = &vnni::kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = add_masked,
};

}  // namespace sparse_rerank

#endif
