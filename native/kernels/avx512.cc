#include "kernels/tables.h"
#include "kernels/target.h"

#if defined(SPARSE_RERANK_X86_64)

// GCC 12 warns about the undefined vectors in its own header (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <limits>
#include <numbers>

namespace sparse_rerank {

SPARSE_RERANK_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq")

namespace {

struct Simd {
  static constexpr std::size_t kLanes = 16;
  // 24 sums, 3 panel registers and the token: 28 of 32 registers.
  static constexpr std::size_t kColumns = 3;
  static constexpr std::size_t kTokens = 8;
  static constexpr std::size_t kAttentionColumns = 2;
  static constexpr std::size_t kAttentionRows = 12;
  using Floats = __m512;
  using Ints = __m512i;
  using Mask = __mmask16;
  using Halves = __m256i;

  static SPARSE_RERANK_INLINE Floats load(const float* from) { return _mm512_loadu_ps(from); }
  static SPARSE_RERANK_INLINE Ints load(const std::uint32_t* from) { return _mm512_loadu_si512(from); }
  static SPARSE_RERANK_INLINE Halves load_halves(const std::uint16_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static SPARSE_RERANK_INLINE void store(float* to, Floats x) { _mm512_storeu_ps(to, x); }
  static SPARSE_RERANK_INLINE void store(std::uint32_t* to, Ints x) { _mm512_storeu_si512(to, x); }
  static SPARSE_RERANK_INLINE Floats broadcast(float x) { return _mm512_set1_ps(x); }
  static SPARSE_RERANK_INLINE Ints broadcast(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, float x, Floats c) { return _mm512_fmadd_ps(a, _mm512_set1_ps(x), c); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static SPARSE_RERANK_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats at_least(Floats bound, Floats x) { return _mm512_maskz_max_ps(kAllLanes, bound, x); }
  static SPARSE_RERANK_INLINE Floats at_most(Floats bound, Floats x) { return _mm512_maskz_min_ps(kAllLanes, bound, x); }
  static SPARSE_RERANK_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static SPARSE_RERANK_INLINE Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints larger(Ints a, Ints b) { return _mm512_maskz_max_epi32(kAllLanes, a, b); }
  static SPARSE_RERANK_INLINE Floats power_of_two(Floats shifted) {
    const Ints exponents = _mm512_maskz_slli_epi32(kAllLanes, _mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(exponents, _mm512_set1_epi32(0x3f800000)));
  }
  static SPARSE_RERANK_INLINE float sum_of(Floats x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), upper_half(x));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static SPARSE_RERANK_INLINE float largest_of(Floats x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), upper_half(x));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static SPARSE_RERANK_INLINE void transpose(Floats (&rows)[kLanes]) {
    Floats pairs[kLanes];
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < kLanes; i += 2) {
      pairs[i] = _mm512_maskz_unpacklo_ps(kAllLanes, rows[i], rows[i + 1]);
      pairs[i + 1] = _mm512_maskz_unpackhi_ps(kAllLanes, rows[i], rows[i + 1]);
    }
    // fours[4 * g + c]: columns c, c + 4, c + 8 and c + 12 of rows 4 * g to 4 * g + 3.
    Floats fours[kLanes];
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < kLanes; i += 4) {
      fours[i] = _mm512_maskz_shuffle_ps(kAllLanes, pairs[i], pairs[i + 2], 0x44);
      fours[i + 1] = _mm512_maskz_shuffle_ps(kAllLanes, pairs[i], pairs[i + 2], 0xee);
      fours[i + 2] = _mm512_maskz_shuffle_ps(kAllLanes, pairs[i + 1], pairs[i + 3], 0x44);
      fours[i + 3] = _mm512_maskz_shuffle_ps(kAllLanes, pairs[i + 1], pairs[i + 3], 0xee);
    }
    SPARSE_RERANK_UNROLL
    for (std::size_t c = 0; c < 4; ++c) {
      // Columns c and c + 4, then c + 8 and c + 12, of rows 0 to 7 and 8 to 15.
      const Floats low = _mm512_maskz_shuffle_f32x4(kAllLanes, fours[c], fours[c + 4], 0x44);
      const Floats high = _mm512_maskz_shuffle_f32x4(kAllLanes, fours[c], fours[c + 4], 0xee);
      const Floats later_low = _mm512_maskz_shuffle_f32x4(kAllLanes, fours[c + 8], fours[c + 12], 0x44);
      const Floats later_high = _mm512_maskz_shuffle_f32x4(kAllLanes, fours[c + 8], fours[c + 12], 0xee);
      rows[c] = _mm512_maskz_shuffle_f32x4(kAllLanes, low, later_low, 0x88);
      rows[c + 4] = _mm512_maskz_shuffle_f32x4(kAllLanes, low, later_low, 0xdd);
      rows[c + 8] = _mm512_maskz_shuffle_f32x4(kAllLanes, high, later_high, 0x88);
      rows[c + 12] = _mm512_maskz_shuffle_f32x4(kAllLanes, high, later_high, 0xdd);
    }
  }
  static SPARSE_RERANK_INLINE Floats to_floats(Ints x) { return _mm512_maskz_cvtepi32_ps(kAllLanes, x); }
  static SPARSE_RERANK_INLINE bool any_above_zero(Floats x) { return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLE_UQ) != 0; }
  static SPARSE_RERANK_INLINE Mask greater(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  static SPARSE_RERANK_INLINE Floats select_floats(Mask mask, Floats a, Floats b) { return _mm512_mask_mov_ps(b, mask, a); }
  static SPARSE_RERANK_INLINE Ints select_ints(Mask mask, Ints a, Ints b) { return _mm512_mask_mov_epi32(b, mask, a); }
  // The masked forms with all lanes: GCC 12 warns about undefined registers in its own headers for the plain ones.
  static SPARSE_RERANK_INLINE Floats widen_f16(Halves in) { return _mm512_maskz_cvtph_ps(kAllLanes, in); }
  static SPARSE_RERANK_INLINE Floats widen_bf16(Halves in) {
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAllLanes, _mm512_maskz_cvtepu16_epi32(kAllLanes, in), 16));
  }

 private:
  static constexpr __mmask16 kAllLanes = 0xffff;

  static SPARSE_RERANK_INLINE __m256 upper_half(Floats x) { return _mm512_maskz_extractf32x8_ps(0xff, x, 1); }
};

#include "kernels/simd.inc"

#include "kernels/activation.inc"
#include "kernels/attention.inc"

namespace maddubs {

struct Dot {
  // 255 * 64 * 2 fits 16 bits.
  static constexpr int kWeightLimit = 64;
  static constexpr int kTokenOffset = 128;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_maddubs_epi16(tokens, weights), _mm512_set1_epi16(1)));
  }
};

#include "kernels/screen.inc"

}  // namespace maddubs

namespace signed_bytes {

struct Dot {
  static constexpr int kTokenOffset = 0;
  static constexpr std::size_t kTokenBlock = 1;
  // 16 sums, 2 panel registers and the token.
  static constexpr std::size_t kColumns = 2;
  static constexpr std::size_t kTokens = 8;
  // The token's magnitude times the weight with the token's sign: 128 * 127 * 2 fits 16 bits.
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
    const Simd::Ints turned = _mm512_mask_sub_epi8(weights, _mm512_movepi8_mask(tokens), _mm512_setzero_si512(), weights);
    const Simd::Ints pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(tokens), turned);
    return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
};

#include "kernels/int8.inc"

}  // namespace signed_bytes

}  // namespace

SPARSE_RERANK_TARGET_END

SPARSE_RERANK_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")

namespace {

namespace vnni {

struct Dot {
  static constexpr int kWeightLimit = 127;
  static constexpr int kTokenOffset = 128;
  static constexpr std::size_t kTokenBlock = 1;
  // 16 sums, 2 panel registers and the token.
  static constexpr std::size_t kColumns = 2;
  static constexpr std::size_t kTokens = 8;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
#if defined(__GNUC__) && !defined(__clang__)
    // GCC 12 spills the sums of the intrinsic to the stack in every step, which is 2.4 times slower.
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(tokens), "v"(weights));
    return sums;
#else
    return _mm512_dpbusd_epi32(sums, tokens, weights);
#endif
  }
};

#include "kernels/int8.inc"
#include "kernels/screen.inc"

}  // namespace vnni

}  // namespace

SPARSE_RERANK_TARGET_END

SPARSE_RERANK_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,popcnt")

namespace {

namespace vbmi2 {

#include "kernels/largest.inc"

class GroupBounds {
 public:
  explicit SPARSE_RERANK_INLINE GroupBounds(const std::uint16_t* bounds) {
    const __m512i first = _mm512_loadu_si512(bounds);
    const __m512i second = _mm512_loadu_si512(bounds + 32);
    even_ = _mm512_permutex2var_epi64(first, _mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0), second);
    odd_ = _mm512_permutex2var_epi64(first, _mm512_set_epi64(15, 14, 11, 10, 7, 6, 3, 2), second);
  }

  SPARSE_RERANK_INLINE std::size_t add(std::uint64_t mask, const std::uint8_t* weights, std::uint16_t factor) {
    const __m512i factors = _mm512_set1_epi16(static_cast<short>(factor));
    const __m512i spread = expand(mask, _mm512_loadu_si512(weights));
    // A weight in the upper half of 16 bits: the upper half of its product with the factor is weight * factor / 256.
    const __m512i zero = _mm512_setzero_si512();
    even_ = _mm512_adds_epu16(even_, _mm512_mulhi_epu16(_mm512_unpacklo_epi8(zero, spread), factors));
    odd_ = _mm512_adds_epu16(odd_, _mm512_mulhi_epu16(_mm512_unpackhi_epi8(zero, spread), factors));
    return static_cast<std::size_t>(_mm_popcnt_u64(mask));
  }

  SPARSE_RERANK_INLINE std::uint16_t store(std::uint16_t* bounds) const {
    _mm512_storeu_si512(bounds, _mm512_permutex2var_epi64(even_, _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), odd_));
    _mm512_storeu_si512(bounds + 32, _mm512_permutex2var_epi64(even_, _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4), odd_));
    const __m512i largest = _mm512_max_epu16(even_, odd_);
    const __m256i halves = _mm256_max_epu16(_mm512_castsi512_si256(largest), _mm512_extracti64x4_epi64(largest, 1));
    return largest_of(_mm_max_epu16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
  }

 private:
  /// On Zen 5 the instruction waits for the old value of its destination, even if it overwrites all of it: three times slower unless that
  /// register has been zeroed, which the compiler would omit if it could see it.
  static SPARSE_RERANK_INLINE __m512i expand(std::uint64_t mask, __m512i packed) {
    __m512i spread = _mm512_setzero_si512();
#if defined(__GNUC__)
    __asm__("" : "+v"(spread));
#endif
    return _mm512_mask_expand_epi8(spread, mask, packed);
  }

  // In the order that unpacking leaves: the first 8 of every 16 documents, and the others.
  __m512i even_;
  __m512i odd_;
};

#include "kernels/masked.inc"

}  // namespace vbmi2

}  // namespace

SPARSE_RERANK_TARGET_END

#if defined(SPARSE_RERANK_AMX)

SPARSE_RERANK_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-int8")

namespace {

namespace amx {

/// See amx.inc. No intrinsics: those of GCC 12 hide from the compiler which memory they read and write.
struct Tiles {
  static SPARSE_RERANK_INLINE void configure() {
    // Palette 1: eight tiles, here all of them of 16 rows of 64 bytes.
    struct alignas(64) {
      std::uint8_t palette = 1;
      std::uint8_t start_row = 0;
      std::uint8_t reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } configuration;
    __asm__ volatile("ldtilecfg %0" : : "m"(configuration));
  }
  static SPARSE_RERANK_INLINE void release() { __asm__ volatile("tilerelease"); }
  template <int tile>
  static SPARSE_RERANK_INLINE void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(tile));
  }
  template <int tile>
  static SPARSE_RERANK_INLINE void load(const std::uint32_t* from) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(std::size_t{64}), "i"(tile) : "memory");
  }
  template <int tile>
  static SPARSE_RERANK_INLINE void store(std::uint32_t* to) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(kInt8Panel * sizeof(std::uint32_t)), "i"(tile) : "memory");
  }
  template <int c, int a, int b>
  static SPARSE_RERANK_INLINE void multiply_add() {
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

#include "kernels/amx.inc"

}  // namespace amx

}  // namespace

SPARSE_RERANK_TARGET_END

const KernelTable kAmxKernels = {
    .name = "amx",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = &amx::kScreen,
    .int8 = &amx::kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = vbmi2::add_masked,
};

#endif

const KernelTable kAvx512Kernels = {
    .name = "avx512",
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
    .add_masked = add_masked_avx2,
};

const KernelTable kAvx512VnniKernels = {
    .name = "avx512vnni",
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
    .add_masked = add_masked_avx2,
};

const KernelTable kAvx512Vbmi2Kernels = {
    .name = "avx512vbmi2",
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
    .add_masked = vbmi2::add_masked,
};

}  // namespace sparse_rerank

#endif
