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

namespace sparse_rerank {

SPARSE_RERANK_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512dq")

namespace {

struct Simd {
  static constexpr std::size_t kLanes = 16;
  // 24 sums, 3 panel registers and the token: 28 of 32 registers.
  static constexpr std::size_t kColumns = 3;
  static constexpr std::size_t kTokens = 8;
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
  static SPARSE_RERANK_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static SPARSE_RERANK_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static SPARSE_RERANK_INLINE Ints multiply(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static SPARSE_RERANK_INLINE Ints larger(Ints a, Ints b) { return _mm512_maskz_max_epi32(kAllLanes, a, b); }
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
};

#include "kernels/simd.inc"

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

const KernelTable kAvx512Kernels = {
    .name = "avx512",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = &maddubs::kScreen,
    .int8 = &signed_bytes::kInt8,
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
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = vbmi2::add_masked,
};

}  // namespace sparse_rerank

#endif
