#include "kernels/tables.h"
#include "kernels/target.h"

#if defined(SPARSE_RERANK_ARM64)

#include <arm_neon.h>

#include <limits>
#include <numbers>

namespace sparse_rerank {

namespace {

// Part of the baseline of 64-bit Arm, so there is no target region.
struct Simd {
  static constexpr std::size_t kLanes = 4;
  // 24 sums and 3 panel registers leave 5 of 32 for tokens, which are multiplied by lane.
  static constexpr std::size_t kColumns = 3;
  static constexpr std::size_t kTokens = 8;
  static constexpr std::size_t kAttentionColumns = 4;
  static constexpr std::size_t kAttentionRows = 6;
  using Floats = float32x4_t;
  using Ints = uint32x4_t;
  using Mask = uint32x4_t;
  using Halves = uint16x4_t;

  static SPARSE_RERANK_INLINE Floats load(const float* from) { return vld1q_f32(from); }
  static SPARSE_RERANK_INLINE Ints load(const std::uint32_t* from) { return vld1q_u32(from); }
  static SPARSE_RERANK_INLINE Halves load_halves(const std::uint16_t* from) { return vld1_u16(from); }
  static SPARSE_RERANK_INLINE void store(float* to, Floats x) { vst1q_f32(to, x); }
  static SPARSE_RERANK_INLINE void store(std::uint32_t* to, Ints x) { vst1q_u32(to, x); }
  static SPARSE_RERANK_INLINE Floats broadcast(float x) { return vdupq_n_f32(x); }
  static SPARSE_RERANK_INLINE Ints broadcast(std::uint32_t x) { return vdupq_n_u32(x); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, float x, Floats c) { return vfmaq_n_f32(c, a, x); }
  static SPARSE_RERANK_INLINE Floats multiply_add(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  static SPARSE_RERANK_INLINE Floats multiply(Floats a, Floats b) { return vmulq_f32(a, b); }
  static SPARSE_RERANK_INLINE Floats divide(Floats a, Floats b) { return vdivq_f32(a, b); }
  static SPARSE_RERANK_INLINE Floats subtract(Floats a, Floats b) { return vsubq_f32(a, b); }
  static SPARSE_RERANK_INLINE Floats at_least(Floats bound, Floats x) { return vmaxq_f32(bound, x); }
  static SPARSE_RERANK_INLINE Floats at_most(Floats bound, Floats x) { return vminq_f32(bound, x); }
  static SPARSE_RERANK_INLINE Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static SPARSE_RERANK_INLINE Ints multiply(Ints a, Ints b) { return vmulq_u32(a, b); }
  static SPARSE_RERANK_INLINE Ints subtract(Ints a, Ints b) { return vsubq_u32(a, b); }
  static SPARSE_RERANK_INLINE Ints larger(Ints a, Ints b) {
    return vreinterpretq_u32_s32(vmaxq_s32(vreinterpretq_s32_u32(a), vreinterpretq_s32_u32(b)));
  }
  static SPARSE_RERANK_INLINE Floats power_of_two(Floats shifted) {
    return vreinterpretq_f32_u32(vaddq_u32(vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23), vdupq_n_u32(0x3f800000)));
  }
  static SPARSE_RERANK_INLINE float sum_of(Floats x) { return vaddvq_f32(x); }
  static SPARSE_RERANK_INLINE float largest_of(Floats x) { return vmaxvq_f32(x); }
  static SPARSE_RERANK_INLINE void transpose(Floats (&rows)[kLanes]) {
    const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(rows[0], rows[1]));
    const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(rows[0], rows[1]));
    const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(rows[2], rows[3]));
    const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(rows[2], rows[3]));
    rows[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    rows[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    rows[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    rows[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
  }
  static SPARSE_RERANK_INLINE Floats to_floats(Ints x) { return vcvtq_f32_s32(vreinterpretq_s32_u32(x)); }
  static SPARSE_RERANK_INLINE bool any_above_zero(Floats x) { return vminvq_u32(vcleq_f32(x, vdupq_n_f32(0.0f))) == 0; }
  static SPARSE_RERANK_INLINE Mask greater(Floats a, Floats b) { return vcgtq_f32(a, b); }
  static SPARSE_RERANK_INLINE Floats select_floats(Mask mask, Floats a, Floats b) { return vbslq_f32(mask, a, b); }
  static SPARSE_RERANK_INLINE Ints select_ints(Mask mask, Ints a, Ints b) { return vbslq_u32(mask, a, b); }
  static SPARSE_RERANK_INLINE Floats widen_f16(Halves in) { return vcvt_f32_f16(vreinterpret_f16_u16(in)); }
  static SPARSE_RERANK_INLINE Floats widen_bf16(Halves in) { return vreinterpretq_f32_u32(vshll_n_u16(in, 16)); }
};

#include "kernels/simd.inc"

#include "kernels/activation.inc"
#include "kernels/attention.inc"

namespace signed_bytes {

struct Dot {
  static constexpr int kTokenOffset = 0;
  static constexpr std::size_t kTokenBlock = 1;
  // 24 sums, 4 panel registers and the token.
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t kTokens = 6;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
    const int8x16_t w = vreinterpretq_s8_u32(weights);
    const int8x16_t t = vreinterpretq_s8_u32(tokens);
    // Two columns each; a sum of two products fits 16 bits.
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(t));
    const int16x8_t high = vmull_s8(vget_high_s8(w), vget_high_s8(t));
    return vreinterpretq_u32_s32(vpadalq_s16(vreinterpretq_s32_u32(sums), vpaddq_s16(low, high)));
  }
};

#include "kernels/int8.inc"

}  // namespace signed_bytes

#include "kernels/spread.inc"

class GroupBounds {
 public:
  explicit SPARSE_RERANK_INLINE GroupBounds(const std::uint16_t* bounds) {
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < 8; ++i) sums_[i] = vld1q_u16(bounds + 8 * i);
  }

  SPARSE_RERANK_INLINE std::size_t add(std::uint64_t mask, const std::uint8_t* weights, std::uint16_t factor) {
    const std::uint64_t counts = counts_up_to(mask);
    const std::uint64_t before = counts << 8;
    SPARSE_RERANK_UNROLL
    for (unsigned i = 0; i < 8; ++i) {
      const uint8x8_t packed = vld1_u8(weights + (before >> 8 * i & 0xff));
      const uint16x8_t spread = vmovl_u8(vtbl1_u8(packed, vld1_u8(kSpread.ranks[mask >> 8 * i & 0xff])));
      const uint16x4_t low = vshrn_n_u32(vmull_n_u16(vget_low_u16(spread), factor), 8);
      const uint16x4_t high = vshrn_n_u32(vmull_n_u16(vget_high_u16(spread), factor), 8);
      sums_[i] = vqaddq_u16(sums_[i], vcombine_u16(low, high));
    }
    return counts >> 56;
  }

  SPARSE_RERANK_INLINE std::uint16_t store(std::uint16_t* bounds) const {
    uint16x8_t largest = sums_[0];
    SPARSE_RERANK_UNROLL
    for (std::size_t i = 0; i < 8; ++i) {
      vst1q_u16(bounds + 8 * i, sums_[i]);
      largest = vmaxq_u16(largest, sums_[i]);
    }
    return vmaxvq_u16(largest);
  }

 private:
  uint16x8_t sums_[8];
};

#include "kernels/masked.inc"

}  // namespace

// GCC's header requires the whole architecture level for its intrinsics, Clang's only the one feature.
#if defined(__clang__)
SPARSE_RERANK_TARGET_BEGIN("dotprod")
#else
SPARSE_RERANK_TARGET_BEGIN("arch=armv8.2-a+dotprod")
#endif

namespace {

namespace dotprod {

struct Dot {
  static constexpr int kWeightLimit = 127;
  static constexpr int kTokenOffset = 0;
  static constexpr std::size_t kTokenBlock = 1;
  // 24 sums, 4 panel registers and the token.
  static constexpr std::size_t kColumns = 4;
  static constexpr std::size_t kTokens = 6;
  static SPARSE_RERANK_INLINE Simd::Ints multiply_add(Simd::Ints weights, Simd::Ints tokens, Simd::Ints sums) {
#if defined(__GNUC__) && !defined(__clang__)
    // GCC 12 spills the sums of the intrinsic to the stack in every step.
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(weights), "w"(tokens));
    return sums;
#else
    return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(sums), vreinterpretq_s8_u32(weights), vreinterpretq_s8_u32(tokens)));
#endif
  }
};

#include "kernels/int8.inc"
#include "kernels/screen.inc"

}  // namespace dotprod

}  // namespace

SPARSE_RERANK_TARGET_END

const KernelTable kNeonKernels = {
    .name = "neon",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = nullptr,
    .int8 = &signed_bytes::kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = add_masked,
};

const KernelTable kNeonDotKernels = {
    .name = "neondot",
    .decoder_panel = kPanel,
    .token_block = Simd::kTokens,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = &dotprod::kScreen,
    .int8 = &dotprod::kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = add_masked,
};

}  // namespace sparse_rerank

#endif
