#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Matrix = std::vector<float>;

Matrix random_matrix(std::size_t size, unsigned seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  Matrix matrix(size);
  std::generate(matrix.begin(), matrix.end(), [&] { return normal(random); });
  return matrix;
}

std::vector<std::uint32_t> bits(const Matrix& matrix) {
  std::vector<std::uint32_t> patterns;
  // One pattern for every NaN: which payload survives depends on the instructions.
  for (const float value : matrix) patterns.push_back(std::isnan(value) ? 0x7fc00000U : std::bit_cast<std::uint32_t>(value));
  return patterns;
}

enum class Bias { kNone, kByDistance, kQueryTerms, kKeyTerms, kBothTerms };

struct Shape {
  std::size_t queries;
  std::size_t keys;
  std::size_t heads;
  std::size_t size;
  std::size_t reach = std::numeric_limits<std::size_t>::max();
  bool rotary = false;
  Bias bias = Bias::kNone;
};

/// Buffers have exactly the documented sizes, so that AddressSanitizer reports any access beyond them.
struct Sequence {
  Shape shape;
  Matrix query;
  Matrix key;
  Matrix value;
  Matrix cosine;
  Matrix sine;
  Matrix bias;
  std::vector<std::int32_t> distance_rows;
  Matrix query_terms;
  Matrix key_terms;

  static constexpr std::size_t kRows = 9;

  Sequence(const Shape& given, unsigned seed)
      : shape(given),
        query(random_matrix(given.queries * given.heads * given.size, seed)),
        key(random_matrix(given.keys * given.heads * given.size, seed + 1)),
        value(random_matrix(given.keys * given.heads * given.size, seed + 2)) {
    if (shape.rotary) {
      for (std::size_t i = 0; i < shape.keys; ++i) {
        for (std::size_t k = 0; k < shape.size / 2; ++k) {
          const double angle = static_cast<double>(i) * std::pow(100.0, -2.0 * static_cast<double>(k) / static_cast<double>(shape.size));
          cosine.push_back(static_cast<float>(std::cos(angle)));
          sine.push_back(static_cast<float>(std::sin(angle)));
        }
      }
    }
    if (shape.keys == 0) return;
    if (shape.bias == Bias::kByDistance) bias = random_matrix(shape.heads * (2 * shape.keys - 1), seed + 3);
    if (has_terms()) {
      std::mt19937 random(seed);
      for (std::size_t d = 0; d < 2 * shape.keys - 1; ++d) distance_rows.push_back(static_cast<std::int32_t>(random() % kRows));
    }
    if (shape.bias != Bias::kKeyTerms && has_terms()) query_terms = random_matrix(shape.heads * shape.queries * kRows, seed + 3);
    if (shape.bias != Bias::kQueryTerms && has_terms()) key_terms = random_matrix(shape.heads * shape.keys * kRows, seed + 4);
  }

  [[nodiscard]] bool has_terms() const { return shape.bias != Bias::kNone && shape.bias != Bias::kByDistance; }

  [[nodiscard]] AttentionInputs inputs() const {
    AttentionInputs in{};
    in.query = query.data();
    in.key = key.data();
    in.value = value.data();
    in.queries = shape.queries;
    in.keys = shape.keys;
    in.heads = shape.heads;
    in.size = shape.size;
    in.scale = 1 / std::sqrt(static_cast<float>(shape.size));
    in.reach = shape.reach;
    if (shape.rotary) {
      in.cosine = cosine.data();
      in.sine = sine.data();
    }
    if (!bias.empty()) in.bias = bias.data();
    if (!distance_rows.empty()) in.distance_rows = distance_rows.data();
    in.rows = query_terms.empty() ? key_terms.size() / std::max<std::size_t>(1, shape.heads * shape.keys)
                                  : query_terms.size() / (shape.heads * shape.queries);
    if (!query_terms.empty()) in.query_terms = query_terms.data();
    if (!key_terms.empty()) in.key_terms = key_terms.data();
    return in;
  }
};

Matrix attend(const KernelTable& table, const Sequence& sequence) {
  const AttentionInputs inputs = sequence.inputs();
  Matrix scratch(attention_scratch(inputs), kNan);
  Matrix out(inputs.queries * inputs.heads * inputs.size, kNan);
  table.attention(inputs, scratch.data(), out.data());
  return out;
}

void expect_close(const Matrix& found, const Matrix& expected, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (std::isnan(expected[k])) {
      ASSERT_TRUE(std::isnan(found[k])) << what << ", element " << k;
    } else {
      ASSERT_NEAR(found[k], expected[k], 3e-6F * std::max(1.0F, std::abs(expected[k]))) << what << ", element " << k;
    }
  }
}

class EveryAttentionTable : public testing::TestWithParam<const KernelTable*> {
 protected:
  static void compare(const Shape& shape, unsigned seed) {
    const Sequence sequence(shape, seed);
    expect_close(attend(*GetParam(), sequence), attend(*available_kernels().front(), sequence),
                 std::to_string(shape.queries) + " queries, " + std::to_string(shape.keys) + " keys, size " + std::to_string(shape.size));
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryAttentionTable, testing::ValuesIn(available_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

/// By the definition, in double.
TEST_P(EveryAttentionTable, EqualsTheDefinition) {
  for (const std::size_t keys : {1U, 7U, 92U, 300U}) {
    const Sequence sequence({.queries = keys, .keys = keys, .heads = 2, .size = 32}, 1);
    const Matrix found = attend(*GetParam(), sequence);
    for (std::size_t h = 0; h < 2; ++h) {
      for (std::size_t i = 0; i < keys; ++i) {
        std::vector<double> weights;
        double sum = 0;
        for (std::size_t j = 0; j < keys; ++j) {
          double score = 0;
          for (std::size_t k = 0; k < 32; ++k)
            score += double{sequence.query[i * 64 + h * 32 + k]} * double{sequence.key[j * 64 + h * 32 + k]};
          weights.push_back(std::exp(score / std::sqrt(32.0)));
          sum += weights.back();
        }
        for (std::size_t k = 0; k < 32; ++k) {
          double context = 0;
          for (std::size_t j = 0; j < keys; ++j) context += weights[j] / sum * double{sequence.value[j * 64 + h * 32 + k]};
          ASSERT_NEAR(double{found[i * 64 + h * 32 + k]}, context, 2e-6) << keys << " keys, query " << i;
        }
      }
    }
  }
}

TEST_P(EveryAttentionTable, EqualsScalarForEveryTailOfTokens) {
  for (std::size_t tokens = 0; tokens <= 70; ++tokens)
    compare({.queries = tokens, .keys = tokens, .heads = 2, .size = 8}, unsigned(tokens));
  for (const std::size_t tokens : {255U, 256U, 257U, 290U, 512U, 600U})
    compare({.queries = tokens, .keys = tokens, .heads = 1, .size = 16}, 9);
}

TEST_P(EveryAttentionTable, EqualsScalarForEverySizeOfHeads) {
  for (std::size_t size = 1; size <= 70; ++size) compare({.queries = 13, .keys = 37, .heads = 3, .size = size}, unsigned(size));
  for (std::size_t size = 2; size <= 130; size += 2) {
    compare({.queries = 20, .keys = 20, .heads = 2, .size = size, .rotary = true}, unsigned(size));
  }
}

TEST_P(EveryAttentionTable, TakesTheFirstQueriesOnly) {
  for (const std::size_t keys : {1U, 5U, 16U, 33U, 300U}) {
    for (const Bias bias : {Bias::kNone, Bias::kByDistance, Bias::kQueryTerms, Bias::kKeyTerms, Bias::kBothTerms}) {
      compare({.queries = 1, .keys = keys, .heads = 2, .size = 32, .rotary = true, .bias = bias}, 3);
    }
  }
}

TEST_P(EveryAttentionTable, EqualsScalarWithBiases) {
  for (const Bias bias : {Bias::kByDistance, Bias::kQueryTerms, Bias::kKeyTerms, Bias::kBothTerms}) {
    for (const std::size_t tokens : {1U, 2U, 15U, 16U, 17U, 31U, 33U, 48U, 95U, 257U, 530U}) {
      compare({.queries = tokens, .keys = tokens, .heads = 2, .size = 12, .bias = bias}, 4);
    }
  }
}

TEST_P(EveryAttentionTable, EqualsScalarInWindows) {
  for (const std::size_t reach : {0U, 1U, 5U, 16U, 64U, 255U, 400U}) {
    for (const std::size_t tokens : {1U, 2U, 15U, 17U, 40U, 100U, 256U, 280U, 700U}) {
      compare({.queries = tokens, .keys = tokens, .heads = 1, .size = 8, .reach = reach, .rotary = true}, unsigned(reach));
    }
  }
}

TEST_P(EveryAttentionTable, GivesAQueryTheSameBitsWithAnyNumberOfQueries) {
  for (const Bias bias : {Bias::kByDistance, Bias::kKeyTerms}) {
    const Sequence all({.queries = 300, .keys = 300, .heads = 2, .size = 24, .rotary = true, .bias = bias}, 5);
    const Matrix expected = attend(*GetParam(), all);
    for (const std::size_t queries : {1U, 2U, 5U, 7U, 11U, 23U, 24U, 25U, 100U}) {
      Sequence some = all;
      some.shape.queries = queries;
      some.query.resize(queries * 48);
      const Matrix firsts(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(queries * 48));
      EXPECT_EQ(bits(attend(*GetParam(), some)), bits(firsts)) << queries;
    }
  }
}

TEST_P(EveryAttentionTable, ConfinesNanAndInfinityToTheirQueries) {
  for (const std::size_t tokens : {20U, 300U}) {
    for (const float value : {kNan, kInfinity, -kInfinity}) {
      Sequence sequence({.queries = tokens, .keys = tokens, .heads = 2, .size = 8}, 6);
      const Matrix clean = attend(*GetParam(), sequence);
      sequence.query[3 * 16 + 9] = value;
      const Matrix found = attend(*GetParam(), sequence);
      for (std::size_t k = 0; k < found.size(); ++k) {
        if (k / 16 == 3 && k % 16 >= 8) {
          EXPECT_TRUE(std::isnan(found[k])) << value << ", element " << k;
        } else {
          EXPECT_EQ(found[k], clean[k]) << value << ", element " << k;
        }
      }
      sequence.query[3 * 16 + 9] = 0;
      sequence.key[4 * 16] = value;
      expect_close(attend(*GetParam(), sequence), attend(*available_kernels().front(), sequence), "a key with " + std::to_string(value));
    }
  }
}

TEST_P(EveryAttentionTable, GivesHiddenKeysNoWeight) {
  for (const std::size_t tokens : {20U, 300U}) {
    Sequence sequence({.queries = tokens, .keys = tokens, .heads = 1, .size = 8, .bias = Bias::kQueryTerms}, 7);
    // A row for each distance, so that the terms of the queries are a bias for each pair.
    const std::size_t rows = 2 * tokens - 1;
    std::iota(sequence.distance_rows.begin(), sequence.distance_rows.end(), 0);
    sequence.query_terms.assign(tokens * rows, 0);
    const auto hide = [&](std::size_t i, std::size_t j) { sequence.query_terms[i * rows + tokens - 1 - i + j] = -kInfinity; };
    for (std::size_t i = 0; i < tokens; ++i) {
      if (i != 6) hide(i, i);
      // The first query sees only the last key, another query none.
      for (std::size_t j = 0; j < tokens; ++j) {
        if (i == 5 || (i == 0 && j + 1 < tokens)) hide(i, j);
      }
    }
    const Matrix found = attend(*GetParam(), sequence);
    for (std::size_t k = 0; k < 8; ++k) {
      EXPECT_NEAR(found[k], sequence.value[(tokens - 1) * 8 + k], 1e-6F);
      EXPECT_TRUE(std::isnan(found[5 * 8 + k]));
      // A hidden key's value has no influence.
      sequence.value[7 * 8 + k] = 1e30F;
    }
    EXPECT_LT(std::abs(attend(*GetParam(), sequence)[7 * 8]), 10);
  }
}

TEST_P(EveryAttentionTable, TakesLargeAndTinyNumbers) {
  for (const float factor : {1e-40F, 1e-30F, 1e-10F, 10.0F, 100.0F, 1e10F}) {
    Sequence sequence({.queries = 40, .keys = 40, .heads = 1, .size = 16}, 8);
    for (float& x : sequence.query) x *= factor;
    const Matrix found = attend(*GetParam(), sequence);
    const Matrix expected = attend(*available_kernels().front(), sequence);
    for (std::size_t k = 0; k < found.size(); ++k) {
      // Scores of hundreds have an error of their last bit, which the exponential magnifies.
      ASSERT_NEAR(found[k], expected[k], factor > 10 ? 2e-3F : 2e-5F) << factor;
    }
  }
}

}  // namespace
}  // namespace sparse_rerank
