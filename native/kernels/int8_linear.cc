#include "kernels/int8_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace sparse_rerank {

namespace {

constexpr std::size_t kBytesPerWord = 4;
/// Bytes of quantized tokens multiplied at a time: what fits a level-2 cache next to a panel.
constexpr std::size_t kChunkBytes = std::size_t{384} * 1024;
constexpr float kWeightLimit = 127;
constexpr float kSmallest = 1e-30F;

std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace

Int8Packer::Int8Packer(const LinearShape& shape, std::byte* packed) : shape_(shape), weights_(reinterpret_cast<std::uint32_t*>(packed)) {
  const std::size_t columns = shape.panels() * kInt8Panel;
  const std::size_t panel_words = kInt8Panel * shape.packed_steps();
  sums_ = weights_ + shape.panels() * panel_words;
  scales_ = reinterpret_cast<float*>(sums_ + columns);
  // Columns past the outputs stay zero.
  if (columns > 0) std::fill_n(sums_ - panel_words, panel_words, 0U);
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

  const std::size_t column = index % kInt8Panel;
  std::uint32_t* const panel = weights_ + (index - column) * shape_.packed_steps();
  std::uint32_t* const tile = panel + column / kInt8Tile * kInt8Block * kInt8Tile + column % kInt8Tile;
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < shape_.packed_steps() * kBytesPerWord; ++k) {
    const float multiple = k < shape_.inputs && scaled ? row[k] * inverse : 0.0F;
    const auto weight = static_cast<std::int8_t>(multiple + std::copysign(0.5F, multiple));
    const std::size_t step = k / kBytesPerWord;
    std::uint32_t* const word = tile + step / kInt8Block * kInt8Block * kInt8Panel + step % kInt8Block * kInt8Tile;
    reinterpret_cast<std::int8_t*>(word)[k % kBytesPerWord] = weight;
    sum += weight;
  }
  sums_[index] = static_cast<std::uint32_t>(sum);
}

Int8Linear::Int8Linear(const KernelTable& kernels, const LinearShape& shape, const std::byte* packed, std::span<const float> bias)
    : kernel_(*kernels.int8),
      shape_(shape),
      weights_(reinterpret_cast<const std::uint32_t*>(packed)),
      biases_(shape.panels() * kInt8Panel) {
  sums_ = weights_ + biases_.size() * shape.packed_steps();
  scales_ = reinterpret_cast<const float*>(sums_ + biases_.size());
  std::fill(std::copy(bias.begin(), bias.end(), biases_.begin()), biases_.end(), 0.0F);
}

void Int8Linear::apply(const float* x, std::size_t tokens, Scratch& scratch, float* out) const {
  const std::size_t stride = shape_.packed_steps() * kBytesPerWord;
  const std::size_t block = kernel_.token_block;
  const std::size_t chunk = std::min(tokens, std::max(kChunkBytes / stride / block, std::size_t{1}) * block);
  scratch.bytes_.reserve_discarding(round_up(chunk, block) * stride);
  scratch.zeros_.reserve_discarding(chunk);
  scratch.scales_.reserve_discarding(chunk);
  scratch.last_panel_.reserve_discarding(chunk * kInt8Panel);
  const std::size_t whole_panels = shape_.outputs / kInt8Panel;
  const std::size_t last_columns = shape_.outputs % kInt8Panel;
  for (std::size_t first = 0; first < tokens; first += chunk) {
    const std::size_t count = std::min(chunk, tokens - first);
    kernel_.quantise(x + first * shape_.inputs, count, shape_.inputs, stride, scratch.bytes_.data(), scratch.zeros_.data(),
                     scratch.scales_.data());
    const Int8Tokens quantised = {.count = count,
                                  .words = reinterpret_cast<const std::uint32_t*>(scratch.bytes_.data()),
                                  .stride = shape_.packed_steps(),
                                  .zeros = scratch.zeros_.data(),
                                  .scales = scratch.scales_.data()};
    float* const to = out + first * shape_.outputs;
    if (whole_panels > 0) kernel_.multiply(panels(0, whole_panels), quantised, shape_.steps(), to, shape_.outputs);
    if (last_columns == 0) continue;
    float* const last = scratch.last_panel_.data();
    kernel_.multiply(panels(whole_panels, 1), quantised, shape_.steps(), last, kInt8Panel);
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(last + i * kInt8Panel, last_columns, to + i * shape_.outputs + whole_panels * kInt8Panel);
    }
  }
}

Int8Panels Int8Linear::panels(std::size_t first, std::size_t count) const {
  const std::size_t column = first * kInt8Panel;
  return {.count = count,
          .weights = weights_ + column * shape_.packed_steps(),
          .sums = sums_ + column,
          .scales = scales_ + column,
          .biases = biases_.data() + column};
}

}  // namespace sparse_rerank
