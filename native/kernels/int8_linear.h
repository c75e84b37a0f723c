#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

/// The matrix of a linear layer, W [outputs, inputs].
struct LinearShape {
  /// With more inputs, integer sums could exceed 32 bits.
  static constexpr std::size_t kMostInputs = 65536;

  std::size_t outputs = 0;
  std::size_t inputs = 0;

  /// Words of four inputs.
  [[nodiscard]] std::size_t steps() const { return (inputs + 3) / 4; }
  /// The same, filled up to whole blocks.
  [[nodiscard]] std::size_t packed_steps() const { return (steps() + kInt8Block - 1) / kInt8Block * kInt8Block; }
  [[nodiscard]] std::size_t panels() const { return (outputs + kInt8Panel - 1) / kInt8Panel; }
  /// Bytes of the packed layer, a multiple of 64: panels of weights, then sums, then scales.
  [[nodiscard]] std::size_t packed_bytes() const { return panels() * kInt8Panel * (packed_steps() + 2) * sizeof(std::uint32_t); }
};

/// Writes a packed layer row by row. Symmetric, with one scale per output: the largest magnitude of a row becomes 127, halves round away
/// from zero. A row whose largest magnitude is below 1e-30 becomes zeros; one that is not finite gets the scale NaN.
class Int8Packer {
 public:
  /// @param packed shape.packed_bytes() bytes, aligned to 64
  Int8Packer(const LinearShape& shape, std::byte* packed);

  /// @param row [inputs] of the output `index`
  void set_row(std::size_t index, const float* row);

 private:
  LinearShape shape_;
  std::uint32_t* weights_;
  std::uint32_t* sums_;
  float* scales_;
};

/// x · Wᵀ + b with W in 8 bits and each row of x quantized with its own scale and zero point, so that a token's result depends on no other
/// token. The integers are exact and everything after them rounds in a fixed order, so all instruction sets return the same floats.
class Int8Linear {
 public:
  /// Working memory of one thread. Movable.
  class Scratch {
   public:
    Scratch() = default;

   private:
    friend class Int8Linear;
    AlignedBuffer<std::uint8_t> bytes_;
    AlignedBuffer<std::uint32_t> zeros_;
    AlignedBuffer<float> scales_;
    AlignedBuffer<float> last_panel_;
  };

  /// @param packed written by Int8Packer; must outlive this object
  /// @param bias [outputs], or empty for none; copied
  Int8Linear(const KernelTable& kernels, const LinearShape& shape, const std::byte* packed, std::span<const float> bias);

  [[nodiscard]] const LinearShape& shape() const { return shape_; }

  /// Any thread.
  /// @param x [tokens, inputs] row-major
  /// @param out [tokens, outputs] row-major, written
  void apply(const float* x, std::size_t tokens, Scratch& scratch, float* out) const;

 private:
  [[nodiscard]] Int8Panels panels(std::size_t first, std::size_t count) const;

  const Int8Kernel& kernel_;
  LinearShape shape_;
  const std::uint32_t* weights_;
  const std::uint32_t* sums_;
  const float* scales_;
  AlignedBuffer<float> biases_;
};

}  // namespace sparse_rerank
