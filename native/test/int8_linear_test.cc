#include "kernels/int8_linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "emulated_amx.h"

namespace sparse_rerank {
namespace {

using Matrix = std::vector<float>;

Matrix random_matrix(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix matrix(size);
  std::generate(matrix.begin(), matrix.end(), [&] { return normal(random); });
  return matrix;
}

AlignedBuffer<std::byte> pack(const LinearShape& shape, const Matrix& weight) {
  AlignedBuffer<std::byte> packed(shape.packed_bytes());
  Int8Packer packer(shape, packed.data());
  for (std::size_t i = 0; i < shape.outputs; ++i) packer.set_row(i, weight.data() + i * shape.inputs);
  return packed;
}

/// Buffers have exactly the documented sizes, so that AddressSanitizer reports any access beyond them.
Matrix apply(const KernelTable& table, const LinearShape& shape, const AlignedBuffer<std::byte>& packed, const Matrix& bias,
             const Matrix& x) {
  const std::size_t tokens = x.size() / shape.inputs;
  Matrix out(tokens * shape.outputs);
  Int8Linear::Scratch scratch;
  Int8Linear(table, shape, packed.data(), bias).apply(x.data(), tokens, scratch, out.data());
  return out;
}

std::vector<std::uint32_t> bits(const Matrix& matrix) {
  std::vector<std::uint32_t> patterns;
  // One pattern for every NaN: which payload survives depends on the instructions.
  for (const float value : matrix) patterns.push_back(std::isnan(value) ? 0x7fc00000U : std::bit_cast<std::uint32_t>(value));
  return patterns;
}

/// The definition of the layer, one float at a time, from the fp32 weights.
Matrix by_definition(const LinearShape& shape, const Matrix& weight, const Matrix& bias, const Matrix& x) {
  const auto round = [](float value) { return static_cast<int>(value + std::copysign(0.5F, value)); };
  const std::size_t tokens = x.size() / shape.inputs;
  Matrix out;
  for (std::size_t i = 0; i < tokens; ++i) {
    const float* row = x.data() + i * shape.inputs;
    const float low = std::min(0.0F, *std::min_element(row, row + shape.inputs));
    const float high = std::max(0.0F, *std::max_element(row, row + shape.inputs));
    const float scale = high / 254 - low / 254;
    for (std::size_t j = 0; j < shape.outputs; ++j) {
      const float* column = weight.data() + j * shape.inputs;
      float largest = 0;
      for (std::size_t k = 0; k < shape.inputs; ++k) largest = std::max(largest, std::abs(column[k]));
      std::int64_t sum = 0;
      for (std::size_t k = 0; k < shape.inputs; ++k) {
        sum += std::int64_t{round(row[k] * (1 / scale))} * (largest == 0 ? 0 : round(column[k] * (127 / largest)));
      }
      const float product = static_cast<float>(sum) * (largest / 127) * scale;
      out.push_back(product + (bias.empty() ? 0.0F : bias[j]));
    }
  }
  return out;
}

class EveryInt8Table : public testing::TestWithParam<const KernelTable*> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryInt8Table, testing::ValuesIn(tested_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

TEST_P(EveryInt8Table, GivesTheDefinitionsBitsForEveryTailOfTokensInputsAndOutputs) {
  unsigned seed = 0;
  for (const std::size_t inputs : {1U, 3U, 4U, 5U, 63U, 64U, 65U, 130U}) {
    for (const std::size_t outputs : {1U, 31U, 32U, 33U, 100U}) {
      const LinearShape shape{outputs, inputs};
      const Matrix weight = random_matrix(outputs * inputs, ++seed);
      const Matrix bias = seed % 3 == 0 ? Matrix() : random_matrix(outputs, ++seed);
      const auto packed = pack(shape, weight);
      for (std::size_t tokens = 0; tokens <= 19; ++tokens) {
        const Matrix x = random_matrix(tokens * inputs, ++seed);
        ASSERT_EQ(bits(apply(*GetParam(), shape, packed, bias, x)), bits(by_definition(shape, weight, bias, x)))
            << outputs << " x " << inputs << ", " << tokens << " tokens";
      }
    }
  }
}

// All bytes at the ends of their range: misused instructions would saturate 16-bit sums of products.
TEST_P(EveryInt8Table, IsExactAtTheExtremes) {
  const LinearShape shape{60, 3072};
  for (const float weight_sign : {1.0F, -1.0F}) {
    for (const auto& [even, odd] : {std::pair{1.0F, 1.0F}, {-1.0F, -1.0F}, {1.0F, -1.0F}, {0.0F, 1.0F}}) {
      Matrix weight(shape.outputs * shape.inputs, weight_sign);
      Matrix x(9 * shape.inputs);
      for (std::size_t k = 0; k < x.size(); ++k) x[k] = k % 2 == 0 ? even : odd;
      ASSERT_EQ(bits(apply(*GetParam(), shape, pack(shape, weight), {}, x)), bits(by_definition(shape, weight, {}, x)));
    }
  }
}

TEST_P(EveryInt8Table, TakesTheMostInputsWithoutOverflow) {
  const LinearShape shape{1, LinearShape::kMostInputs};
  const Matrix weight(shape.inputs, 1.0F);
  const Matrix x(2 * shape.inputs, -1.0F);
  EXPECT_EQ(bits(apply(*GetParam(), shape, pack(shape, weight), {}, x)), bits(by_definition(shape, weight, {}, x)));
}

TEST_P(EveryInt8Table, GivesATokenTheSameBitsInAnyCompany) {
  const LinearShape shape{96, 768};
  const auto packed = pack(shape, random_matrix(shape.outputs * shape.inputs, 1));
  // More than one chunk.
  constexpr std::size_t kTokens = 1100;
  Matrix x = random_matrix(kTokens * shape.inputs, 2);
  for (std::size_t k = 0; k < shape.inputs; ++k) x[7 * shape.inputs + k] *= 1e6F;
  const Matrix together = apply(*GetParam(), shape, packed, {}, x);
  for (const std::size_t token : {std::size_t{0}, std::size_t{6}, std::size_t{7}, std::size_t{511}, std::size_t{512}, kTokens - 1}) {
    const auto row = x.begin() + static_cast<std::ptrdiff_t>(token * shape.inputs);
    const Matrix alone = apply(*GetParam(), shape, packed, {}, Matrix(row, row + static_cast<std::ptrdiff_t>(shape.inputs)));
    const auto expected = together.begin() + static_cast<std::ptrdiff_t>(token * shape.outputs);
    EXPECT_EQ(bits(alone), bits(Matrix(expected, expected + static_cast<std::ptrdiff_t>(shape.outputs)))) << "token " << token;
  }
}

TEST_P(EveryInt8Table, HandlesRowsWithoutAScale) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kMax = std::numeric_limits<float>::max();
  const LinearShape shape{50, 70};
  Matrix weight = random_matrix(shape.outputs * shape.inputs, 3);
  std::fill_n(weight.begin(), shape.inputs, 0.0F);
  weight[2 * shape.inputs] = kNan;
  const Matrix bias = random_matrix(shape.outputs, 4);
  const auto packed = pack(shape, weight);
  for (const float value : {0.0F, -0.0F, 1e-40F, -1e-31F, kNan, -kNan, kInfinity, -kInfinity, kMax, -kMax}) {
    Matrix x(3 * shape.inputs, 0.0F);
    x[shape.inputs + 69] = value;
    const Matrix out = apply(*GetParam(), shape, packed, bias, x);
    EXPECT_EQ(bits(out), bits(apply(*available_kernels().front(), shape, packed, bias, x))) << value;
    for (std::size_t j = 0; j < shape.outputs; ++j) {
      const float found = out[shape.outputs + j];
      if (j == 2 || !std::isfinite(value)) {
        EXPECT_TRUE(std::isnan(found)) << value;
      } else if (std::abs(value) < 1e-30F || j == 0) {
        EXPECT_EQ(found, bias[j]) << value;
      }
      // Its neighbors are zeros.
      if (j != 2) {
        EXPECT_EQ(out[j], bias[j]) << value;
      }
    }
  }
}

TEST_P(EveryInt8Table, IsCloseToTheFloatProduct) {
  const LinearShape shape{128, 512};
  const Matrix weight = random_matrix(shape.outputs * shape.inputs, 5);
  const Matrix x = random_matrix(20 * shape.inputs, 6);
  const Matrix out = apply(*GetParam(), shape, pack(shape, weight), {}, x);
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    for (std::size_t j = 0; j < shape.outputs; ++j) {
      double exact = 0;
      for (std::size_t k = 0; k < shape.inputs; ++k) exact += double{x[i * shape.inputs + k]} * double{weight[j * shape.inputs + k]};
      error += std::pow(exact - double{out[i * shape.outputs + j]}, 2);
      norm += exact * exact;
    }
  }
  // A step is about 1/40 of a standard deviation; the error of rounding to it is the step divided by the square root of 12.
  EXPECT_LT(std::sqrt(error / norm), 0.012);
}

}  // namespace
}  // namespace sparse_rerank
