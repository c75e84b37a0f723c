#include "kernels/splade_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Makes `table` active for the duration of a test.
class ActiveTable {
 public:
  explicit ActiveTable(const KernelTable& table) : before_(kernels().name) { EXPECT_FALSE(use_kernels(table.name).has_value()); }
  ~ActiveTable() { EXPECT_FALSE(use_kernels(before_).has_value()); }
  ActiveTable(const ActiveTable&) = delete;
  ActiveTable& operator=(const ActiveTable&) = delete;

 private:
  std::string before_;
};

struct Model {
  std::size_t vocabulary;
  std::size_t hidden;
  std::vector<float> decoder;
  std::vector<float> bias;

  /// The model must outlive the head, which may read its decoder.
  [[nodiscard]] SpladeHead head(Pooling pooling = Pooling::kMax, SpladeActivation activation = SpladeActivation::kRelu) const {
    Result<SpladeHead> result = SpladeHead::create(decoder, bias, vocabulary, hidden, pooling, activation);
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
  }
};

std::vector<float> normal_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

/// Biases around minus one standard deviation of a logit, so that many entries are positive and many are not.
Model random_model(std::size_t vocabulary, std::size_t hidden, unsigned seed) {
  Model model{vocabulary, hidden, normal_values(vocabulary * hidden, seed), normal_values(vocabulary, seed + 1)};
  for (float& b : model.bias) b -= std::sqrt(static_cast<float>(hidden));
  return model;
}

SpladeRow encode(const SpladeHead& head, const std::vector<float>& states, std::size_t keep = 0) {
  SpladeHead::Scratch scratch;
  SpladeRow row;
  head.encode(states.data(), states.size() / head.hidden(), keep, true, scratch, row);
  return row;
}

void expect_equal(const SpladeRow& found, const SpladeRow& expected) {
  EXPECT_EQ(found.indices, expected.indices);
  EXPECT_EQ(found.values, expected.values);
  EXPECT_EQ(found.positions, expected.positions);
}

double log1p_relu_chain(double x, SpladeActivation activation) {
  const double once = std::log1p(std::max(x, 0.0));
  return activation == SpladeActivation::kRelu ? once : std::log1p(once);
}

/// Compares with the full [tokens, vocabulary] array in double. An fp32 sum of n products is within n * 2^-24 * sum|a b| of the exact sum
/// (Higham, Accuracy and Stability of Numerical Algorithms, 3.1); the slope of the activations is at most 1.
void expect_matches_definition(const Model& model, Pooling pooling, SpladeActivation activation, const std::vector<float>& states,
                               const SpladeRow& row) {
  const std::size_t tokens = states.size() / model.hidden;
  std::size_t next = 0;
  for (std::size_t v = 0; v < model.vocabulary; ++v) {
    std::vector<double> weights(tokens);
    double pooled = 0, tolerance = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      double sum = model.bias.empty() ? 0.0 : model.bias[v];
      double magnitude = std::abs(sum);
      for (std::size_t k = 0; k < model.hidden; ++k) {
        const double product = static_cast<double>(states[t * model.hidden + k]) * model.decoder[v * model.hidden + k];
        sum += product;
        magnitude += std::abs(product);
      }
      const double error = static_cast<double>(model.hidden + 2) * 0x1p-24 * magnitude + 0x1p-22;
      weights[t] = log1p_relu_chain(sum, activation);
      pooled = pooling == Pooling::kMax ? std::max(pooled, weights[t]) : pooled + weights[t];
      tolerance = pooling == Pooling::kMax ? std::max(tolerance, error) : tolerance + error;
    }
    if (next == row.indices.size() || row.indices[next] != v) {
      ASSERT_LE(pooled, tolerance) << "entry " << v << " is missing";
      continue;
    }
    ASSERT_GT(row.values[next], 0.0f);
    ASSERT_NEAR(row.values[next], pooled, tolerance) << "entry " << v;
    ASSERT_LT(row.positions[next], tokens);
    ASSERT_GE(weights[row.positions[next]], *std::max_element(weights.begin(), weights.end()) - 2 * tolerance) << "entry " << v;
    ++next;
  }
  EXPECT_EQ(next, row.indices.size());
}

class EveryTableHead : public testing::TestWithParam<const KernelTable*> {
 protected:
  ActiveTable active_{*GetParam()};
};

INSTANTIATE_TEST_SUITE_P(SpladeHead, EveryTableHead, testing::ValuesIn(available_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

TEST_P(EveryTableHead, MatchesTheDefinition) {
  const std::tuple<std::size_t, std::size_t, std::size_t> shapes[] = {{1, 1, 1},   {1, 1, 49},   {2, 1, 48},    {3, 2, 47},  {7, 3, 24},
                                                                      {8, 16, 96}, {9, 17, 97},  {5, 31, 12},   {33, 5, 73}, {64, 128, 130},
                                                                      {15, 70, 1}, {257, 4, 33}, {100, 33, 211}};
  unsigned seed = 0;
  for (const auto& [tokens, hidden, vocabulary] : shapes) {
    for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
      for (SpladeActivation activation : {SpladeActivation::kRelu, SpladeActivation::kLog1pRelu}) {
        SCOPED_TRACE(testing::Message() << tokens << " tokens, hidden " << hidden << ", vocabulary " << vocabulary);
        const Model model = random_model(vocabulary, hidden, seed += 2);
        const std::vector<float> states = normal_values(tokens * hidden, seed + 1000);
        const SpladeHead head = model.head(pooling, activation);
        EXPECT_EQ(&head.kernels(), GetParam());
        expect_matches_definition(model, pooling, activation, states, encode(head, states));
      }
    }
  }
}

TEST_P(EveryTableHead, MissingBiasIsZero) {
  Model model = random_model(60, 9, 1);
  const std::vector<float> states = normal_values(5 * 9, 2);
  model.bias.assign(60, 0.0f);
  const SpladeRow with_zeros = encode(model.head(), states);
  model.bias.clear();
  const SpladeRow without = encode(model.head(), states);
  EXPECT_FALSE(without.indices.empty());
  expect_equal(without, with_zeros);
}

TEST_P(EveryTableHead, EqualTokensReportTheFirst) {
  const Model model = random_model(100, 6, 3);
  for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
    for (std::size_t copies : {1u, 2u, 9u, 20u}) {
      std::vector<float> states = normal_values(3 * 6, 4);
      const std::vector<float> once = states;
      for (std::size_t i = 1; i < copies; ++i) states.insert(states.end(), once.begin(), once.end());
      const SpladeRow row = encode(model.head(pooling), states);
      EXPECT_FALSE(row.indices.empty());
      EXPECT_EQ(row.positions, encode(model.head(pooling), once).positions);
    }
  }
}

TEST_P(EveryTableHead, EmptyRows) {
  Model model = random_model(70, 4, 5);
  const SpladeHead head = model.head();
  model.bias.assign(70, -1000.0f);
  const SpladeHead silent = model.head();
  const SpladeHead silent_sum = model.head(Pooling::kSum);
  const std::vector<float> states = normal_values(4 * 11, 6);
  SpladeHead::Scratch scratch;
  for (const auto& [subject, tokens] : {std::pair(&head, 0), std::pair(&silent, 11), std::pair(&silent_sum, 11)}) {
    SpladeRow row = encode(head, states);
    EXPECT_FALSE(row.indices.empty());
    subject->encode(states.data(), static_cast<std::size_t>(tokens), 0, true, scratch, row);
    expect_equal(row, SpladeRow());
  }
}

// A NaN token is ignored at every position in a block.
TEST_P(EveryTableHead, NanTokensAreDropped) {
  const Model model = random_model(90, 5, 7);
  const std::vector<float> clean = normal_values(17 * 5, 8);
  for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
    const SpladeHead head = model.head(pooling);
    const SpladeRow expected = encode(head, clean);
    for (std::size_t at = 0; at <= 17; ++at) {
      std::vector<float> states = clean;
      const std::vector<float> bad = {0.0f, kNan, 1.0f, 2.0f, 3.0f};
      states.insert(states.begin() + static_cast<std::ptrdiff_t>(at * 5), bad.begin(), bad.end());
      SpladeRow row = encode(head, states);
      for (std::uint32_t& position : row.positions) position -= position > at ? 1 : 0;
      expect_equal(row, expected);
    }
    expect_equal(encode(head, std::vector<float>(9 * 5, kNan)), SpladeRow());
  }
}

TEST_P(EveryTableHead, InfiniteLogits) {
  const Model model{3, 1, {1.0f, -1.0f, 0.0f}, {-5.0f, 0.0f, -kInfinity}};
  const SpladeRow row = encode(model.head(), {kInfinity, 2.0f});
  // Entry 1 has the logits -inf and -2, entry 2 NaN (0 * inf) and -inf.
  EXPECT_EQ(row.indices, std::vector<std::uint32_t>{0});
  EXPECT_EQ(row.values, std::vector<float>{kInfinity});
}

TEST_P(EveryTableHead, KeepsTheLargestInIndexOrder) {
  const Model model = random_model(200, 7, 9);
  const std::vector<float> states = normal_values(6 * 7, 10);
  for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
    const SpladeHead head = model.head(pooling);
    const SpladeRow full = encode(head, states);
    const std::size_t size = full.values.size();
    ASSERT_GT(size, 20u);
    for (std::size_t keep : {std::size_t{1}, std::size_t{2}, size / 2, size - 1, size, size + 1}) {
      std::vector<float> sorted = full.values;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      const float least = sorted[std::min(keep, size) - 1];
      SpladeRow expected;
      for (std::size_t i = 0; i < size; ++i) {
        if (full.values[i] < least) continue;
        expected.indices.push_back(full.indices[i]);
        expected.values.push_back(full.values[i]);
        expected.positions.push_back(full.positions[i]);
      }
      expect_equal(encode(head, states, keep), expected);
    }
  }
}

TEST_P(EveryTableHead, KeepsTheLowerIndexOfEqualWeights) {
  Model model{60, 1, std::vector<float>(60, 1.0f), {}};
  model.decoder[50] = 2.0f;
  model.decoder[3] = 0.5f;
  const SpladeRow row = encode(model.head(), {1.0f}, 4);
  EXPECT_EQ(row.indices, (std::vector<std::uint32_t>{0, 1, 2, 50}));
}

TEST_P(EveryTableHead, PositionsOnlyWhenAskedFor) {
  const Model model = random_model(100, 7, 11);
  const std::vector<float> states = normal_values(10 * 7, 12);
  for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
    const SpladeHead head = model.head(pooling);
    SpladeHead::Scratch scratch;
    for (std::size_t keep : {0u, 5u}) {
      const SpladeRow expected = encode(head, states, keep);
      SpladeRow row = expected;
      head.encode(states.data(), 10, keep, false, scratch, row);
      EXPECT_EQ(row.indices, expected.indices);
      EXPECT_EQ(row.values, expected.values);
      EXPECT_TRUE(row.positions.empty());
    }
  }
}

TEST_P(EveryTableHead, ScratchServesHeadsOfAnySize) {
  SpladeHead::Scratch shared;
  for (const auto& [tokens, hidden, vocabulary] : {std::tuple(40, 30, 200), std::tuple(3, 2, 5), std::tuple(90, 8, 300)}) {
    for (Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
      const Model model = random_model(static_cast<std::size_t>(vocabulary), static_cast<std::size_t>(hidden), 13);
      const SpladeHead head = model.head(pooling);
      const std::vector<float> states = normal_values(static_cast<std::size_t>(tokens * hidden), 14);
      SpladeRow row;
      head.encode(states.data(), static_cast<std::size_t>(tokens), 0, true, shared, row);
      expect_equal(row, encode(head, states));
      SpladeHead::Scratch moved = std::move(shared);
      shared = std::move(moved);
    }
  }
}

TEST_P(EveryTableHead, SurvivesAnotherTableBecomingActive) {
  const Model model = random_model(150, 20, 15);
  const std::vector<float> states = normal_values(13 * 20, 16);
  const SpladeHead head = model.head();
  const SpladeRow before = encode(head, states);
  for (const KernelTable* other : available_kernels()) {
    const ActiveTable switched(*other);
    EXPECT_EQ(&model.head().kernels(), other);
    EXPECT_EQ(&head.kernels(), GetParam());
    expect_equal(encode(head, states), before);
  }
}

TEST(SpladeHeadTest, SimdTablesAgreeBitForBit) {
  const Model model = random_model(500, 64, 17);
  const std::vector<float> states = normal_values(37 * 64, 18);
  std::vector<SpladeRow> rows;
  for (const KernelTable* table : available_kernels()) {
    if (std::string(table->name) == "scalar") continue;
    const ActiveTable active(*table);
    rows.push_back(encode(model.head(), states));
  }
  if (rows.size() < 2) GTEST_SKIP() << "this machine supports fewer than two SIMD tables";
  for (const SpladeRow& row : rows) expect_equal(row, rows.front());
}

TEST(SpladeHeadTest, ThreadsShareAHead) {
  const Model model = random_model(300, 32, 19);
  const SpladeHead head = model.head();
  const std::vector<float> states = normal_values(21 * 32, 20);
  const SpladeRow expected = encode(head, states);
  std::vector<SpladeRow> rows(4);
  std::vector<std::thread> threads;
  for (SpladeRow& row : rows) threads.emplace_back([&] { row = encode(head, states); });
  for (std::thread& thread : threads) thread.join();
  for (const SpladeRow& row : rows) expect_equal(row, expected);
}

TEST(SpladeHeadTest, PacksOneCopy) {
  const Model model = random_model(1000, 24, 21);
  const SpladeHead head = model.head(Pooling::kSum);
  EXPECT_EQ(head.vocabulary(), 1000u);
  EXPECT_EQ(head.hidden(), 24u);
  EXPECT_GE(head.packed_bytes(), 1000u * 24u * sizeof(float));
  EXPECT_LT(head.packed_bytes(), (1000u + head.kernels().decoder_panel) * 24u * sizeof(float));
}

TEST(SpladeHeadTest, RefusesWrongShapes) {
  const std::vector<float> six(6, 1.0f);
  const auto code = [](std::span<const float> decoder, std::span<const float> bias, std::size_t vocabulary, std::size_t hidden) {
    Result<SpladeHead> result = SpladeHead::create(decoder, bias, vocabulary, hidden, Pooling::kMax, SpladeActivation::kRelu);
    return result.ok() ? std::string("ok") : std::string(result.error().code);
  };
  const std::size_t enormous = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(code(six, {}, 3, 2), "ok");
  EXPECT_EQ(code(six, {}, 3, 3), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code({}, {}, 0, 2), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code({}, {}, 3, 0), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code(six, six, 3, 2), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code(six, {}, 2, enormous / 2 + 4), "ERR_TENSOR_MISMATCH") << "2 * hidden wraps round to 6";
  EXPECT_EQ(code(six, {}, enormous, 1), "ERR_TOO_LARGE");
}

// For a head whose decoder is the identity, the hidden states are the logits.
TEST(PoolLogits, DoesWhatAHeadDoesWithItsOwnLogits) {
  constexpr std::size_t kVocabulary = 19;
  constexpr std::size_t kTokens = 11;
  std::vector<float> identity(kVocabulary * kVocabulary, 0.0f);
  for (std::size_t v = 0; v < kVocabulary; ++v) identity[v * kVocabulary + v] = 1;
  std::mt19937 random(7);
  std::normal_distribution<float> normal(-1, 2);
  std::vector<float> logits(kTokens * kVocabulary);
  for (float& logit : logits) logit = normal(random);
  for (std::size_t t = 0; t < kTokens; ++t) logits[t * kVocabulary + 3] = -1;  // never positive
  logits[5 * kVocabulary + 4] = logits[2 * kVocabulary + 4] = 100;             // the first of equal tokens counts
  for (const Pooling pooling : {Pooling::kMax, Pooling::kSum}) {
    for (const SpladeActivation activation : {SpladeActivation::kRelu, SpladeActivation::kLog1pRelu}) {
      const auto head = SpladeHead::create(identity, {}, kVocabulary, kVocabulary, pooling, activation);
      ASSERT_TRUE(head);
      SpladeHead::Scratch scratch;
      SpladeRow expected;
      head.value().encode(logits.data(), kTokens, 0, true, scratch, expected);
      SpladeRow row;
      pool_logits(logits, kVocabulary, pooling, activation, true, row);
      EXPECT_EQ(row.indices, expected.indices);
      EXPECT_EQ(row.values, expected.values);
      EXPECT_EQ(row.positions, expected.positions);
    }
  }
}

TEST(PoolLogits, NotANumberIsNotPositive) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {nan, 1, nan, nan, 2, -1};
  SpladeRow row;
  pool_logits(logits, 3, Pooling::kMax, SpladeActivation::kRelu, false, row);
  EXPECT_EQ(row.indices, (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(row.values, (std::vector<float>{std::log1p(2.0f)}));
  EXPECT_TRUE(row.positions.empty());
}

}  // namespace
}  // namespace sparse_rerank
