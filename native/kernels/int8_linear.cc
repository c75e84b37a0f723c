#include "kernels/int8_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace sparse_rerank {

namespace {

constexpr std::size_t kBytesPerWord = 4;
constexpr std::size_t kCacheLine = 64;
/// Bytes of quantized tokens multiplied at a time: what fits a level-2 cache next to a panel.
constexpr std::size_t kChunkBytes = std::size_t{384} * 1024;
constexpr float kWeightLimit = 127;
constexpr float kSmallest = 1e-30F;

/// Rows start at cache lines.
std::size_t row_bytes(const LinearShape& shape) {
  return (shape.inputs + kCacheLine - 1) / kCacheLine * kCacheLine;
}

}  // namespace

Int8Packer::Int8Packer(const LinearShape& shape, std::byte* packed) : shape_(shape), weights_(reinterpret_cast<std::uint32_t*>(packed)) {
  const std::size_t columns = shape.panels() * kInt8Panel;
  sums_ = weights_ + columns * shape.steps();
  scales_ = reinterpret_cast<float*>(sums_ + columns);
  // Columns past the outputs stay zero.
  if (columns > 0) std::fill_n(weights_ + (columns - kInt8Panel) * shape.steps(), kInt8Panel * shape.steps(), 0U);
  std::fill_n(sums_, columns, 0U);
  std::fill_n(scales_, columns, 0.0F);
}

void Int8Packer::set_row(std::size_t index, const float* row) {
  float largest = 0;
  for (std::size_t k = 0; k < shape_.inputs; ++k) largest = std::max(largest, std::abs(row[k]));
  // A maximum ignores NaN, a sum does not.
  const bool finite = std::isfinite(std::accumulate(row, row + shape_.inputs, 0.0));
  const bool scaled = finite && largest >= kSmallest;
  const float inverse = scaled ? kWeightLimit / largest : 0.0F;
  scales_[index] = !finite ? std::numeric_limits<float>::quiet_NaN() : scaled ? largest / kWeightLimit : 0.0F;

  auto* const words = reinterpret_cast<std::int8_t*>(weights_ + index / kInt8Panel * kInt8Panel * shape_.steps() + index % kInt8Panel);
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < shape_.steps() * kBytesPerWord; ++k) {
    const float multiple = k < shape_.inputs && scaled ? row[k] * inverse : 0.0F;
    const auto weight = static_cast<std::int8_t>(multiple + std::copysign(0.5F, multiple));
    words[k / kBytesPerWord * kInt8Panel * kBytesPerWord + k % kBytesPerWord] = weight;
    sum += weight;
  }
  sums_[index] = static_cast<std::uint32_t>(sum);
}

Int8Linear::Int8Linear(const KernelTable& kernels, const LinearShape& shape, const std::byte* packed, std::span<const float> bias)
    : kernel_(*kernels.int8),
      shape_(shape),
      weights_(reinterpret_cast<const std::uint32_t*>(packed)),
      biases_(shape.panels() * kInt8Panel) {
  sums_ = weights_ + biases_.size() * shape.steps();
  scales_ = reinterpret_cast<const float*>(sums_ + biases_.size());
  std::fill(std::copy(bias.begin(), bias.end(), biases_.begin()), biases_.end(), 0.0F);
}

void Int8Linear::apply(const float* x, std::size_t tokens, Scratch& scratch, float* out) const {
  const std::size_t stride = row_bytes(shape_);
  const std::size_t chunk = std::min(tokens, std::max<std::size_t>(kChunkBytes / stride, 1));
  scratch.bytes_.reserve_discarding(chunk * stride);
  scratch.zeros_.reserve_discarding(chunk);
  scratch.scales_.reserve_discarding(chunk);
  scratch.last_panel_.reserve_discarding(chunk * kInt8Panel);
  for (std::size_t first = 0; first < tokens; first += chunk) {
    const std::size_t count = std::min(chunk, tokens - first);
    kernel_.quantise(x + first * shape_.inputs, count, shape_.inputs, stride, scratch.bytes_.data(), scratch.zeros_.data(),
                     scratch.scales_.data());
    const Int8Tokens quantised = {.count = count,
                                  .words = reinterpret_cast<const std::uint32_t*>(scratch.bytes_.data()),
                                  .stride = stride / kBytesPerWord,
                                  .zeros = scratch.zeros_.data(),
                                  .scales = scratch.scales_.data()};
    for (std::size_t column = 0; column < shape_.outputs; column += kInt8Panel) {
      const Int8Panel panel = {.weights = weights_ + column * shape_.steps(),
                               .sums = sums_ + column,
                               .scales = scales_ + column,
                               .biases = biases_.data() + column};
      float* to = out + first * shape_.outputs + column;
      const std::size_t columns = std::min(kInt8Panel, shape_.outputs - column);
      if (columns == kInt8Panel) {
        kernel_.multiply(panel, quantised, shape_.steps(), to, shape_.outputs);
        continue;
      }
      float* const whole = scratch.last_panel_.data();
      kernel_.multiply(panel, quantised, shape_.steps(), whole, kInt8Panel);
      for (std::size_t i = 0; i < count; ++i) std::copy_n(whole + i * kInt8Panel, columns, to + i * shape_.outputs);
    }
  }
}

}  // namespace sparse_rerank
