#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/tables.h"
#include "kernels/target.h"

namespace sparse_rerank {

namespace {

// Wide enough that compilers vectorize over the panel instead of unrolling it. One token at a time keeps this a specification.
constexpr std::size_t kPanel = 32;

void decoder_logits(const float* panel, const float* token, std::size_t hidden, float* logits) {
  float sums[kPanel] = {};
  for (std::size_t k = 0; k < hidden; ++k) {
    for (std::size_t j = 0; j < kPanel; ++j) sums[j] += panel[k * kPanel + j] * token[k];
  }
  for (std::size_t j = 0; j < kPanel; ++j) logits[j] = sums[j];
}

void decoder_max(const float* panel, const float* blocks, std::size_t tokens, std::size_t hidden, float* maxima, std::uint32_t* positions) {
  for (std::size_t j = 0; j < kPanel; ++j) {
    maxima[j] = -std::numeric_limits<float>::infinity();
    positions[j] = 0;
  }
  for (std::size_t t = 0; t < tokens; ++t) {
    float logits[kPanel];
    decoder_logits(panel, blocks + t * hidden, hidden, logits);
    for (std::size_t j = 0; j < kPanel; ++j) {
      if (logits[j] > maxima[j]) {
        maxima[j] = logits[j];
        positions[j] = static_cast<std::uint32_t>(t);
      }
    }
  }
}

float widen_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  std::uint32_t magnitude;
  if (exponent == 0) {
    magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1p-24f);  // zero or denormal; normal in binary32, so exact
  } else if (exponent == 31) {
    const std::uint32_t quiet = mantissa == 0 ? 0 : 0x400000u;
    magnitude = 0x7f800000u | quiet | (mantissa << 13);
  } else {
    magnitude = ((exponent + (127 - 15)) << 23) | (mantissa << 13);
  }
  return std::bit_cast<float>(sign | magnitude);
}

void widen_f16(const std::uint16_t* in, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = widen_f16(in[i]);
}

void widen_bf16(const std::uint16_t* in, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(in[i]) << 16);
}

struct Dot {
  static constexpr int kTokenOffset = 0;
  static constexpr std::size_t kTokenBlock = 1;
};

#include "kernels/int8_quantise.inc"

/// One byte of a word in memory order.
std::int32_t signed_byte(const std::uint32_t* words, std::size_t index) {
  return reinterpret_cast<const std::int8_t*>(words)[index];
}

void multiply(const Int8Panels& panels, const Int8Tokens& tokens, std::size_t steps, float* out, std::size_t out_stride) {
  for (std::size_t i = 0; i < tokens.count; ++i) {
    const std::uint32_t* token = tokens.words + i * tokens.stride;
    const auto zero = static_cast<std::int32_t>(tokens.zeros[i]);
    for (std::size_t p = 0; p < panels.count; ++p) {
      std::int32_t sums[kInt8Panel] = {};
      for (std::size_t k = 0; k < steps; ++k) {
        const std::uint32_t* block = panels.weights + (p * tokens.stride + k / kInt8Block * kInt8Block) * kInt8Panel;
        for (std::size_t j = 0; j < kInt8Panel; ++j) {
          const std::size_t word = (j / kInt8Tile * kInt8Block + k % kInt8Block) * kInt8Tile + j % kInt8Tile;
          for (std::size_t b = 0; b < 4; ++b) sums[j] += (signed_byte(token, 4 * k + b) - zero) * signed_byte(block, 4 * word + b);
        }
      }
      for (std::size_t j = 0; j < kInt8Panel; ++j) {
        const std::size_t output = p * kInt8Panel + j;
        const float product = static_cast<float>(sums[j]) * panels.scales[output] * tokens.scales[i];
        out[i * out_stride + output] = product + panels.biases[output];
      }
    }
  }
}

void add_masked(MaskedList* lists, std::size_t count, std::size_t groups, std::uint16_t* bounds, std::uint16_t* maxima) {
  for (MaskedList* list = lists; list != lists + count; ++list) {
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::uint64_t mask = list->masks[g]; mask != 0; mask &= mask - 1) {
        if (list->weights == list->weights_end) break;
        std::uint16_t& bound = bounds[g * 64 + static_cast<std::size_t>(std::countr_zero(mask))];
        const std::uint32_t sum = bound + ((std::uint32_t{*list->weights++} * list->factor) >> 8);
        bound = static_cast<std::uint16_t>(sum > 0xffff ? 0xffff : sum);
      }
    }
  }
  for (std::size_t g = 0; g < groups; ++g) maxima[g] = *std::max_element(bounds + g * 64, bounds + g * 64 + 64);
}

/// Dimension k of a row's head after the rotation of its position.
float rotated(const AttentionInputs& in, const float* row, std::size_t position, std::size_t k) {
  if (in.cosine == nullptr) return row[k];
  const std::size_t half = in.size / 2;
  const std::size_t pair = position * half + (k < half ? k : k - half);
  const float cosine = in.cosine[pair];
  const float sine = in.sine[pair];
  return k < half ? row[k] * cosine - row[k + half] * sine : row[k] * cosine + row[k - half] * sine;
}

void attention(const AttentionInputs& in, float* scores, float* out) {
  const std::size_t hidden = in.heads * in.size;
  for (std::size_t i = 0; i < in.queries; ++i) {
    const std::size_t begin = i > in.reach ? i - in.reach : 0;
    const std::size_t end = in.keys - i > in.reach ? i + in.reach + 1 : in.keys;
    for (std::size_t h = 0; h < in.heads; ++h) {
      const std::size_t offset = h * in.size;
      float largest = std::numeric_limits<float>::lowest();
      for (std::size_t j = begin; j < end; ++j) {
        float product = 0;
        for (std::size_t k = 0; k < in.size; ++k) {
          product += rotated(in, in.query + i * hidden + offset, i, k) * rotated(in, in.key + j * hidden + offset, j, k);
        }
        scores[j] = product * in.scale;
        const std::size_t distance = in.keys - 1 + j - i;
        if (in.bias != nullptr) scores[j] += in.bias[h * (2 * in.keys - 1) + distance];
        if (in.distance_rows != nullptr) {
          const auto row = static_cast<std::size_t>(in.distance_rows[distance]);
          if (in.query_terms != nullptr) scores[j] += in.query_terms[(h * in.queries + i) * in.rows + row];
          if (in.key_terms != nullptr) scores[j] += in.key_terms[(h * in.keys + j) * in.rows + row];
        }
        largest = std::max(largest, scores[j]);
      }
      float sum = 0;
      for (std::size_t j = begin; j < end; ++j) sum += scores[j] = std::exp(scores[j] - largest);
      for (std::size_t k = 0; k < in.size; ++k) {
        float context = 0;
        for (std::size_t j = begin; j < end; ++j) context += scores[j] * in.value[j * hidden + offset + k];
        out[i * hidden + offset + k] = context / sum;
      }
    }
  }
}

void gelu(const float* x, const float* up, std::size_t n, float* out) {
  constexpr float kRootOfHalf = 0.70710678f;
  for (std::size_t i = 0; i < n; ++i) {
    const float activated = x[i] * (0.5f + 0.5f * std::erf(x[i] * kRootOfHalf));
    out[i] = up == nullptr ? activated : activated * up[i];
  }
}

void swish(const float* x, const float* up, std::size_t n, SwishShape shape, float* out) {
  for (std::size_t i = 0; i < n; ++i) {
    // Beyond, the sigmoid is 0 or 1, and the cube could overflow.
    const float bounded = std::min(std::max(x[i], -100.0f), 100.0f);
    const float argument = bounded * (shape.linear + shape.cubic * bounded * bounded);
    const float activated = x[i] / (1.0f + std::exp(-argument));
    out[i] = up == nullptr ? activated : activated * up[i];
  }
}

constexpr Int8Kernel kInt8 = {.token_block = Dot::kTokenBlock, .quantise = quantise, .multiply = multiply};

}  // namespace

const KernelTable kScalarKernels = {
    .name = "scalar",
    .decoder_panel = kPanel,
    .token_block = 1,
    .decoder_max = decoder_max,
    .decoder_logits = decoder_logits,
    .screen = nullptr,
    .int8 = &kInt8,
    .attention = attention,
    .gelu = gelu,
    .swish = swish,
    .widen_f16 = widen_f16,
    .widen_bf16 = widen_bf16,
    .add_masked = add_masked,
};

}  // namespace sparse_rerank
