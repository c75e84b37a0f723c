#include "kernels/screened_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "emulated_amx.h"
#include "kernels/kernels.h"
#include "kernels/splade_head.h"

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

std::vector<const KernelTable*> screening_kernels() {
  std::vector<const KernelTable*> tables = tested_kernels();
  std::erase_if(tables, [](const KernelTable* table) { return table->screen == nullptr; });
  return tables;
}

struct Model {
  std::size_t hidden;
  std::vector<float> decoder;
  std::vector<float> bias;

  [[nodiscard]] std::size_t vocabulary() const { return bias.size(); }
  [[nodiscard]] const float* row(std::size_t v) const { return decoder.data() + v * hidden; }
};

std::vector<float> normal_values(std::size_t n, unsigned seed, float deviation = 1.0f, float mean = 0.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> values(n);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

Model random_model(std::size_t vocabulary, std::size_t hidden, unsigned seed) {
  Model model{hidden, normal_values(vocabulary * hidden, seed), normal_values(vocabulary, seed + 1)};
  for (float& b : model.bias) b -= 2 * std::sqrt(static_cast<float>(hidden));
  return model;
}

/// The largest logit before the bias, and the first token that reaches it, of every entry: decoder_max over all panels.
struct Maxima {
  std::vector<float> logits;
  std::vector<std::uint32_t> positions;
};

Maxima fused_maxima(const KernelTable& table, const Model& model, const std::vector<float>& states) {
  const std::size_t tokens = states.size() / model.hidden;
  const std::size_t width = table.decoder_panel;
  const std::size_t block = table.token_block;
  const std::size_t columns = (tokens + block - 1) / block * block;
  AlignedBuffer<float> blocks(columns * model.hidden);
  for (std::size_t t = 0; t < columns; ++t) {
    for (std::size_t k = 0; k < model.hidden; ++k) {
      blocks[t / block * block * model.hidden + k * block + t % block] = states[std::min(t, tokens - 1) * model.hidden + k];
    }
  }
  AlignedBuffer<float> panel(width * model.hidden);
  AlignedBuffer<float> maxima(width);
  AlignedBuffer<std::uint32_t> positions(width);
  Maxima result;
  for (std::size_t first = 0; first < model.vocabulary(); first += width) {
    const std::size_t count = std::min(width, model.vocabulary() - first);
    std::fill(panel.begin(), panel.end(), 0.0f);
    for (std::size_t j = 0; j < count; ++j) {
      for (std::size_t k = 0; k < model.hidden; ++k) panel[k * width + j] = model.row(first + j)[k];
    }
    table.decoder_max(panel.data(), blocks.data(), tokens, model.hidden, maxima.data(), positions.data());
    result.logits.insert(result.logits.end(), maxima.begin(), maxima.begin() + count);
    result.positions.insert(result.positions.end(), positions.begin(), positions.begin() + count);
  }
  return result;
}

/// The result of the head without a screen.
SpladeRow fused_row(const KernelTable& table, const Model& model, const std::vector<float>& states) {
  const Maxima maxima = fused_maxima(table, model, states);
  SpladeRow row;
  for (std::size_t v = 0; v < model.vocabulary(); ++v) {
    const float logit = maxima.logits[v] + model.bias[v];
    if (!(logit > 0.0f)) continue;
    row.indices.push_back(static_cast<std::uint32_t>(v));
    row.values.push_back(static_cast<float>(std::log1p(static_cast<double>(logit))));
    row.positions.push_back(maxima.positions[v]);
  }
  return row;
}

void expect_equal(const SpladeRow& found, const SpladeRow& expected) {
  EXPECT_EQ(found.indices, expected.indices);
  EXPECT_EQ(found.values, expected.values);
  EXPECT_EQ(found.positions, expected.positions);
}

class EveryScreen : public testing::TestWithParam<const KernelTable*> {
 protected:
  [[nodiscard]] static SpladeHead head(const Model& model) {
    Result<SpladeHead> result = SpladeHead::create(model.decoder, model.bias, model.vocabulary(), model.hidden, Pooling::kMax,
                                                   SpladeActivation::kRelu, *GetParam());
    EXPECT_TRUE(result.ok());
    EXPECT_TRUE(result.value().screened());
    return std::move(result).value();
  }

  static SpladeRow encode(const SpladeHead& head, const std::vector<float>& states) {
    SpladeHead::Scratch scratch;
    SpladeRow row;
    head.encode(states.data(), states.size() / head.hidden(), 0, true, scratch, row);
    return row;
  }

  /// Before and after the head has learned a center.
  static void expect_exact(const Model& model, const std::vector<float>& states) {
    const SpladeRow expected = fused_row(*GetParam(), model, states);
    const SpladeHead subject = head(model);
    expect_equal(encode(subject, states), expected);
    std::vector<float> many;
    while (many.size() < 2048 * model.hidden) many.insert(many.end(), states.begin(), states.end());
    encode(subject, many);
    expect_equal(encode(subject, states), expected);
  }
};

INSTANTIATE_TEST_SUITE_P(Screen, EveryScreen, testing::ValuesIn(screening_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

TEST_P(EveryScreen, OddShapes) {
  unsigned seed = 0;
  for (std::size_t hidden : {1u, 3u, 4u, 5u, 17u, 64u, 131u}) {
    for (std::size_t tokens : {1u, 2u, 7u, 8u, 9u, 16u, 37u}) {
      const std::size_t vocabulary = 1 + (seed * 37) % 211;
      SCOPED_TRACE(testing::Message() << tokens << " tokens, hidden " << hidden << ", vocabulary " << vocabulary);
      const Model model = random_model(vocabulary, hidden, ++seed);
      expect_exact(model, normal_values(tokens * hidden, seed + 1000));
    }
  }
}

// Biases that put the largest logit within a few floats of zero, on both sides of it.
TEST_P(EveryScreen, BiasesNextToTheThreshold) {
  for (unsigned seed = 0; seed < 24; ++seed) {
    Model model = random_model(331, 1 + seed * 9, seed);
    // Half of the cases have a large common part, which centering subtracts.
    const std::vector<float> states = normal_values((1 + seed % 13) * model.hidden, seed + 50, 1.0f, seed % 2 == 0 ? 0.0f : 100.0f);
    const Maxima maxima = fused_maxima(*GetParam(), model, states);
    for (std::size_t v = 0; v < model.vocabulary(); ++v) {
      float bias = -maxima.logits[v];
      const int steps = static_cast<int>(v % 9) - 4;
      for (int i = 0; i < std::abs(steps); ++i) bias = std::nextafter(bias, steps < 0 ? -kInfinity : kInfinity);
      model.bias[v] = bias;
    }
    expect_exact(model, states);
  }
}

TEST_P(EveryScreen, HugeDynamicRange) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> exponent(-60, 30);
  for (unsigned seed = 0; seed < 8; ++seed) {
    Model model = random_model(257, 40, seed);
    for (float& weight : model.decoder) weight *= std::exp2(exponent(random));
    for (float& bias : model.bias) bias *= std::exp2(exponent(random));
    std::vector<float> states = normal_values(11 * 40, seed + 1);
    for (float& state : states) state *= std::exp2(exponent(random));
    expect_exact(model, states);
  }
  // Rows and states at the ends of the float range, whose products and squares overflow or underflow.
  for (float weight : {kDenormal, 1e-38f, 1e-30f, 1e-19f, 1e19f, 1e30f, 3e38f}) {
    for (float state : {kDenormal, 1e-38f, 1e-30f, 1e-19f, 1e19f, 1e30f, 3e38f}) {
      Model model = random_model(100, 6, 3);
      for (float& w : model.decoder) w *= weight;
      for (std::size_t v = 0; v < model.vocabulary(); ++v) model.bias[v] = v % 2 == 0 ? 0.0f : -weight;
      std::vector<float> states = normal_values(5 * 6, 4);
      for (float& s : states) s *= state;
      expect_exact(model, states);
    }
  }
}

TEST_P(EveryScreen, PlainRowsAndTokens) {
  Model model = random_model(300, 24, 11);
  for (std::size_t v = 0; v < model.vocabulary(); v += 3)
    std::fill_n(model.decoder.begin() + static_cast<std::ptrdiff_t>(v * 24), 24, 0.0f);
  for (std::size_t v = 1; v < model.vocabulary(); v += 3)
    std::fill_n(model.decoder.begin() + static_cast<std::ptrdiff_t>(v * 24), 24, -0.7f);
  for (std::size_t v = 0; v < model.vocabulary(); v += 6) model.bias[v] = v % 4 == 0 ? 0.0f : kDenormal;
  for (const std::vector<float>& states : {std::vector<float>(10 * 24, 0.0f), std::vector<float>(10 * 24, 3.0f),
                                           std::vector<float>(10 * 24, -3.0f), normal_values(10 * 24, 12)}) {
    expect_exact(model, states);
  }
  std::fill(model.bias.begin(), model.bias.end(), 100.0f);
  expect_exact(model, normal_values(10 * 24, 13));
}

TEST_P(EveryScreen, NotFinite) {
  for (float bad : {kNan, kInfinity, -kInfinity}) {
    const Model clean = random_model(200, 9, 14);
    std::vector<float> states = normal_values(12 * 9, 15);
    const std::vector<float> finite = states;
    states[40] = bad;
    expect_exact(clean, states);
    Model model = clean;
    for (std::size_t v = 0; v < model.vocabulary(); v += 7) model.decoder[v * 9 + v % 9] = bad;
    for (std::size_t v = 3; v < model.vocabulary(); v += 7) model.bias[v] = bad;
    expect_exact(model, finite);
    expect_exact(model, states);
  }
}

// Integer products at their limits: sums of adjacent products must not saturate, and 255 must not be read as -1.
TEST_P(EveryScreen, ProductsAreExact) {
  const ScreenKernel& screen = *GetParam()->screen;
  const std::size_t width = 3 * screen.panel;
  const std::size_t block = screen.token_block;
  std::mt19937 random(16);
  for (const std::size_t steps : {screen.step_block, 2 * screen.step_block, 33 * screen.step_block}) {
    for (std::size_t tokens = 1; tokens <= 2 * block + 1; ++tokens) {
      std::vector<int> weights(width * steps * 4), values(tokens * steps * 4);
      for (int& w : weights) w = (random() % 4 != 0 ? 1 : -1) * screen.weight_limit;
      for (int& x : values) x = (random() % 4 != 0 ? 1 : -1) * 127;
      // No token reaches the entries of the panel in the middle.
      for (std::size_t t = 0; t < tokens; ++t) values[t * steps * 4] = 127;
      for (std::size_t j = screen.panel; j < 2 * screen.panel; ++j) {
        std::fill_n(&weights[j * steps * 4], steps * 4, 0);
        weights[j * steps * 4] = -screen.weight_limit;
      }
      AlignedBuffer<std::uint32_t> packed(width * steps);
      AlignedBuffer<std::uint32_t> blocks((tokens + block - 1) / block * block * steps);
      AlignedBuffer<std::uint32_t> row(steps);
      const auto fill_row = [&](const int* from, int offset) {
        auto* const bytes = reinterpret_cast<std::uint8_t*>(row.data());
        for (std::size_t k = 0; k < steps * 4; ++k) bytes[k] = static_cast<std::uint8_t>(from[k] + offset);
      };
      std::vector<std::uint32_t> corrections(width);
      std::vector<float> expected(width, -kInfinity);
      for (std::size_t j = 0; j < width; ++j) {
        const int* const of_entry = &weights[j * steps * 4];
        fill_row(of_entry, 0);
        screen.pack_entry(row.data(), steps, j % screen.panel, packed.data() + j / screen.panel * screen.panel * steps);
        corrections[j] = static_cast<std::uint32_t>(std::accumulate(of_entry, of_entry + steps * 4, 0) * screen.token_offset);
        for (std::size_t t = 0; t < tokens; ++t) {
          const int product = std::inner_product(of_entry, of_entry + steps * 4, &values[t * steps * 4], 0);
          expected[j] = std::max(expected[j], static_cast<float>(product));
        }
      }
      for (std::size_t t = 0; t < blocks.size() / steps; ++t) {
        fill_row(&values[std::min(t, tokens - 1) * steps * 4], screen.token_offset);
        screen.pack_token(row.data(), steps, t % block, blocks.data() + t / block * block * steps);
      }
      const std::vector<float> zeros(width), ones(width, 1.0f);
      const ScreenPanels panels = {3, packed.data(), corrections.data(), zeros.data(), ones.data(), zeros.data(), zeros.data()};
      std::vector<float> bounds(width);
      const std::uint32_t above =
          screen.bound_panels(panels, blocks.data(), tokens, steps, {.scale = 1.0f, .norm = 0.0f, .error = 0.0f}, bounds.data());
      ASSERT_EQ(bounds, expected);
      for (std::size_t p = 0; p < 3; ++p) {
        const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(p * screen.panel);
        const float largest = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(screen.panel));
        EXPECT_EQ((above >> p & 1) != 0, largest > 0.0f);
      }
      EXPECT_EQ(above >> 3, 0u);
    }
  }
}

TEST_P(EveryScreen, AddsAllTermsOfABound) {
  const ScreenKernel& screen = *GetParam()->screen;
  const std::size_t width = screen.panel;
  AlignedBuffer<std::uint32_t> nothing(std::max(width, screen.token_block) * screen.step_block);
  std::fill(nothing.begin(), nothing.end(), 0u);
  std::vector<float> offsets(width, -9.0f), scales(width, 1.0f), errors(width), norms(width), bounds(width);
  const std::vector<std::uint32_t> corrections(width, static_cast<std::uint32_t>(-2));
  errors.back() = 3.0f;
  norms.back() = 5.0f;
  const auto bound = [&](const ScreenTerms& terms) {
    const ScreenPanels panels = {1, nothing.data(), corrections.data(), offsets.data(), scales.data(), errors.data(), norms.data()};
    return screen.bound_panels(panels, nothing.data(), 1, screen.step_block, terms, bounds.data());
  };
  EXPECT_EQ(bound({.scale = 0.5f, .norm = 0.5f, .error = 1.0f}), 0u);
  EXPECT_EQ(bounds.front(), -8.0f);
  EXPECT_EQ(bounds.back(), -1.5f);
  EXPECT_EQ(bound({.scale = 0.5f, .norm = 1.0f, .error = 1.25f}), 1u);
  EXPECT_EQ(bounds.back(), 1.25f);
  EXPECT_EQ(bound({.scale = 0.5f, .norm = kNan, .error = 0.0f}), 1u);
}

/// A tensor of a safetensors file, whose header is small enough to search as text.
std::vector<float> read_tensor(const std::filesystem::path& path, const std::string& name) {
  std::ifstream file(path, std::ios::binary);
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof(length));
  std::string header(length, ' ');
  file.read(header.data(), static_cast<std::streamsize>(length));
  const std::string key = "\"data_offsets\":[";
  const std::size_t at = header.find(key, header.find('"' + name + '"')) + key.size();
  const std::uint64_t begin = std::stoull(header.substr(at));
  const std::uint64_t end = std::stoull(header.substr(header.find(',', at) + 1));
  std::vector<float> values((end - begin) / sizeof(float));
  file.seekg(static_cast<std::streamoff>(sizeof(length) + length + begin));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(end - begin));
  EXPECT_TRUE(file.good());
  return values;
}

// The weights of a real checkpoint. The states are its word vectors plus noise and a common part that suppresses most entries, as training
// does: a small share of the vocabulary is positive.
TEST_P(EveryScreen, RealWeights) {
  if (GetParam() == &emulated_amx_kernels()) GTEST_SKIP() << "slow with emulated tiles, which the other tests cover";
  const std::filesystem::path path = std::filesystem::path(__FILE__).parent_path() / "../../models/splade-tiny/model.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing";
  const Model model{128, read_tensor(path, "bert.embeddings.word_embeddings.weight"), read_tensor(path, "cls.predictions.bias")};
  std::vector<double> mean(128);
  for (std::size_t v = 0; v < model.vocabulary(); ++v) {
    for (std::size_t k = 0; k < 128; ++k) mean[k] += model.row(v)[k] / static_cast<double>(model.vocabulary());
  }
  const SpladeHead subject = head(model);
  const ScreenedDecoder screen(*GetParam(), model.decoder, model.bias, 128);
  ScreenedDecoder::Scratch scratch;
  std::mt19937 random(17);
  std::size_t positive = 0, surviving = 0;
  for (std::size_t document = 0; document < 12; ++document) {
    const std::size_t tokens = 5 + document * 23;
    std::vector<float> states = normal_values(tokens * 128, static_cast<unsigned>(document), 0.2f);
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* word = model.row(random() % model.vocabulary());
      for (std::size_t k = 0; k < 128; ++k) states[t * 128 + k] += 4 * word[k] - 24 * static_cast<float>(mean[k]);
    }
    const SpladeRow expected = fused_row(*GetParam(), model, states);
    expect_equal(encode(subject, states), expected);
    std::vector<std::uint32_t> survivors;
    screen.screen(states.data(), tokens, scratch, survivors);
    EXPECT_TRUE(std::includes(survivors.begin(), survivors.end(), expected.indices.begin(), expected.indices.end()));
    positive += expected.indices.size();
    surviving += survivors.size();
  }
  EXPECT_GT(positive, model.vocabulary() / 10);
  EXPECT_LT(surviving, 2 * positive);
}

// Several threads encode the first texts and one of them learns; only the survivors may change.
TEST_P(EveryScreen, ThreadsLearnTogether) {
  const Model model = random_model(400, 32, 18);
  const SpladeHead subject = head(model);
  std::vector<std::vector<float>> texts;
  for (unsigned i = 0; i < 40; ++i) texts.push_back(normal_values((20 + i) * 32, 19 + i, 1.0f, 2.0f));
  std::vector<SpladeRow> rows(4 * texts.size());
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < texts.size(); ++i) rows[thread * texts.size() + i] = encode(subject, texts[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < rows.size(); ++i) expect_equal(rows[i], fused_row(*GetParam(), model, texts[i % texts.size()]));
}

// The part common to all tokens costs precision until it is subtracted.
TEST_P(EveryScreen, LearntCentreRulesOutMore) {
  Model model = random_model(2000, 64, 20);
  const std::vector<float> states = normal_values(300 * 64, 21, 1.0f, 20.0f);
  const Maxima maxima = fused_maxima(*GetParam(), model, states);
  for (std::size_t v = 0; v < model.vocabulary(); ++v) model.bias[v] = -maxima.logits[v] - 8.0f;
  const ScreenedDecoder screen(*GetParam(), model.decoder, model.bias, 64);
  ScreenedDecoder::Scratch scratch;
  std::vector<std::uint32_t> survivors;
  screen.screen(states.data(), 300, scratch, survivors);
  const std::size_t before = survivors.size();
  for (int i = 0; i < 5; ++i) screen.screen(states.data(), 300, scratch, survivors);
  EXPECT_LT(survivors.size(), before / 4) << "of " << before;
}

TEST_P(EveryScreen, TakesOneByteAWeight) {
  const Model model = random_model(1000, 96, 22);
  const SpladeHead subject = head(model);
  EXPECT_GE(subject.packed_bytes(), 1000u * (96 + 24));
  EXPECT_LT(subject.packed_bytes(), (1000 + GetParam()->screen->panel) * (128 + 24));
}

TEST(ScreenTest, ScalarAndSumPoolingHaveNone) {
  EXPECT_EQ(available_kernels().front()->screen, nullptr);
  const Model model = random_model(50, 8, 23);
  Result<SpladeHead> head = SpladeHead::create(model.decoder, model.bias, 50, 8, Pooling::kSum, SpladeActivation::kRelu);
  ASSERT_TRUE(head.ok());
  EXPECT_FALSE(head.value().screened());
}

}  // namespace
}  // namespace sparse_rerank
