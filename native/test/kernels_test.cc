#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
constexpr float kHuge = std::numeric_limits<float>::max();

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (float value : values) out.push_back(std::bit_cast<std::uint32_t>(value));
  return out;
}

bool is_scalar(const KernelTable& table) {
  return std::string(table.name) == "scalar";
}

std::vector<std::uint16_t> all_half_patterns() {
  std::vector<std::uint16_t> patterns(65536);
  std::iota(patterns.begin(), patterns.end(), std::uint16_t{0});
  return patterns;
}

/// binary16 by its definition, independent of the kernels' bit tricks. Not for NaN.
float half_by_definition(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int mantissa = half & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = kInfinity;
  } else {
    magnitude =
        exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24) : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

/// Restores the active table when a test ends.
class ActiveTableGuard {
 public:
  ActiveTableGuard() : name_(kernels().name) {}
  ~ActiveTableGuard() { EXPECT_FALSE(use_kernels(name_).has_value()); }
  ActiveTableGuard(const ActiveTableGuard&) = delete;
  ActiveTableGuard& operator=(const ActiveTableGuard&) = delete;

 private:
  std::string name_;
};

void set_environment(const char* value) {
#if defined(_WIN32)
  _putenv_s("SPARSE_RERANK_KERNELS", value);
#else
  setenv("SPARSE_RERANK_KERNELS", value, 1);
#endif
}

class EveryTable : public testing::TestWithParam<const KernelTable*> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryTable, testing::ValuesIn(available_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

/// Lists, and the arrays that they refer to.
struct MaskedLists {
  std::vector<std::vector<std::uint64_t>> masks;
  std::vector<std::vector<std::uint8_t>> weights;
  std::vector<MaskedList> lists;
};

/// A list per density; a density is the average number of set bits per 64.
MaskedLists random_lists(const std::vector<int>& densities, std::size_t groups, std::mt19937_64& random) {
  constexpr std::uint16_t kFactors[] = {0, 1, 255, 256, 1000, 40000, 65535};
  MaskedLists made;
  for (const int density : densities) {
    std::vector<std::uint64_t>& masks = made.masks.emplace_back(groups);
    std::size_t count = 0;
    for (std::uint64_t& mask : masks) {
      for (int j = 0; j < 64; ++j) mask |= static_cast<std::uint64_t>(static_cast<int>(random() % 64) < density) << j;
      count += static_cast<std::size_t>(std::popcount(mask));
    }
    std::vector<std::uint8_t>& weights = made.weights.emplace_back(count + 128);
    for (std::uint8_t& weight : weights) weight = static_cast<std::uint8_t>(random());
    made.lists.push_back({masks.data(), weights.data(), weights.data() + count, kFactors[random() % std::size(kFactors)]});
  }
  return made;
}

TEST_P(EveryTable, AddMaskedEqualsScalar) {
  std::mt19937_64 random(11);
  const std::vector<std::vector<int>> mixes = {{}, {0}, {1}, {8}, {64}, {1, 64, 0, 63, 32}, std::vector<int>(40, 4)};
  for (const std::size_t groups : {0u, 1u, 2u, 63u, 1024u}) {
    for (const std::vector<int>& densities : mixes) {
      for (int round = 0; round < 7; ++round) {
        const MaskedLists made = random_lists(densities, groups, random);
        std::vector<std::uint16_t> expected(groups * 64);
        for (std::uint16_t& bound : expected) bound = static_cast<std::uint16_t>(random());
        std::vector<std::uint16_t> found = expected;
        std::vector<std::uint16_t> expected_maxima(groups), found_maxima(groups);
        std::vector<MaskedList> lists = made.lists;
        available_kernels().front()->add_masked(lists.data(), lists.size(), groups, expected.data(), expected_maxima.data());
        lists = made.lists;
        GetParam()->add_masked(lists.data(), lists.size(), groups, found.data(), found_maxima.data());
        ASSERT_EQ(found, expected) << groups << " groups, " << densities.size() << " lists";
        ASSERT_EQ(found_maxima, expected_maxima) << groups << " groups, " << densities.size() << " lists";
        for (std::size_t g = 0; g < groups; ++g) {
          ASSERT_EQ(found_maxima[g], *std::max_element(found.data() + 64 * g, found.data() + 64 * g + 64));
        }
      }
    }
  }
}

TEST_P(EveryTable, AddMaskedReadsNoFurtherThanItMay) {
  // The masks claim more weights than the one that exists. AddressSanitizer reports reads beyond the array.
  const std::vector<std::uint64_t> masks(100, ~std::uint64_t{0});
  const std::vector<std::uint8_t> weights(1 + 128, 1);
  std::vector<std::uint16_t> bounds(masks.size() * 64);
  std::vector<std::uint16_t> maxima(masks.size());
  std::vector<MaskedList> lists(3, {masks.data(), weights.data(), weights.data() + 1, 256});
  GetParam()->add_masked(lists.data(), lists.size(), masks.size(), bounds.data(), maxima.data());
  EXPECT_EQ(bounds[0], 3);
}

TEST(AddSparse, AddsAndSaturates) {
  std::vector<std::uint16_t> bounds(65536);
  bounds[65535] = 65000;
  const std::vector<std::uint16_t> slots = {0, 3, 65535};
  const std::vector<std::uint8_t> weights = {255, 1, 200};
  add_sparse(slots.data(), weights.data(), slots.size(), 1000, bounds.data());
  EXPECT_EQ(bounds[0], 255 * 1000 / 256);
  EXPECT_EQ(bounds[3], 3);
  EXPECT_EQ(bounds[65535], 65535);
}

TEST_P(EveryTable, WidensEveryHalf) {
  const std::vector<std::uint16_t> in = all_half_patterns();
  std::vector<float> out(in.size());
  GetParam()->widen_f16(in.data(), in.size(), out.data());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const std::uint32_t found = std::bit_cast<std::uint32_t>(out[i]);
    if ((in[i] & 0x7fffu) > 0x7c00u) {
      const std::uint32_t quiet_payload = (in[i] & 0x8000u) << 16 | 0x7fc00000u | (in[i] & 0x3ffu) << 13;
      ASSERT_EQ(found, quiet_payload) << "pattern " << in[i];
    } else {
      ASSERT_EQ(found, std::bit_cast<std::uint32_t>(half_by_definition(in[i]))) << "pattern " << in[i];
    }
  }
}

TEST_P(EveryTable, WidensEveryBfloat16) {
  const std::vector<std::uint16_t> in = all_half_patterns();
  std::vector<float> out(in.size());
  GetParam()->widen_bf16(in.data(), in.size(), out.data());
  for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), static_cast<std::uint32_t>(in[i]) << 16);
}

// Buffers have exactly the length, so that AddressSanitizer reports any access beyond them.
TEST_P(EveryTable, WidensEveryLength) {
  const std::vector<std::uint16_t> patterns = all_half_patterns();
  for (std::size_t n = 0; n <= 70; ++n) {
    const auto first = patterns.begin() + static_cast<std::ptrdiff_t>(15000 + 13 * n);
    const std::vector<std::uint16_t> in(first, first + static_cast<std::ptrdiff_t>(n));
    std::vector<float> expected(n), found(n);
    available_kernels().front()->widen_f16(in.data(), n, expected.data());
    GetParam()->widen_f16(in.data(), n, found.data());
    EXPECT_EQ(bits(found), bits(expected)) << n << " elements of binary16";
    available_kernels().front()->widen_bf16(in.data(), n, expected.data());
    GetParam()->widen_bf16(in.data(), n, found.data());
    EXPECT_EQ(bits(found), bits(expected)) << n << " elements of bfloat16";
  }
}

/// One panel and one sequence, plain and packed.
struct DecoderCase {
  std::size_t tokens;
  std::size_t hidden;
  std::vector<float> states;  // [tokens, hidden]
  std::vector<float> panel;
  std::vector<float> blocks;
};

DecoderCase make_case(const KernelTable& table, std::size_t tokens, std::size_t hidden, const std::vector<float>& specials, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto draw = [&] { return !specials.empty() && random() % 8 == 0 ? specials[random() % specials.size()] : normal(random); };
  DecoderCase c{tokens, hidden, std::vector<float>(tokens * hidden), std::vector<float>(hidden * table.decoder_panel), {}};
  std::generate(c.states.begin(), c.states.end(), draw);
  std::generate(c.panel.begin(), c.panel.end(), draw);
  const std::size_t width = table.token_block;
  c.blocks.resize((tokens + width - 1) / width * width * hidden);
  for (std::size_t t = 0; t < c.blocks.size() / hidden; ++t) {
    for (std::size_t k = 0; k < hidden; ++k) {
      c.blocks[t / width * width * hidden + k * width + t % width] = c.states[std::min(t, tokens - 1) * hidden + k];
    }
  }
  return c;
}

/// The logit in the documented summation order of the table.
float logit(const KernelTable& table, const DecoderCase& c, std::size_t token, std::size_t column) {
  float sum = 0.0f;
  for (std::size_t k = 0; k < c.hidden; ++k) {
    const float weight = c.panel[k * table.decoder_panel + column];
    const float state = c.states[token * c.hidden + k];
    if (is_scalar(table)) {
      const volatile float product = weight * state;
      sum += product;
    } else {
      sum = std::fma(weight, state, sum);
    }
  }
  return sum;
}

void expect_decoder_max(const KernelTable& table, const DecoderCase& c) {
  std::vector<float> expected(table.decoder_panel, -kInfinity), found(table.decoder_panel, 1.0f);
  std::vector<std::uint32_t> expected_positions(table.decoder_panel, 0), positions(table.decoder_panel, 77);
  for (std::size_t j = 0; j < table.decoder_panel; ++j) {
    for (std::size_t t = 0; t < c.tokens; ++t) {
      const float x = logit(table, c, t, j);
      if (x > expected[j]) {
        expected[j] = x;
        expected_positions[j] = static_cast<std::uint32_t>(t);
      }
    }
  }
  table.decoder_max(c.panel.data(), c.blocks.data(), c.tokens, c.hidden, found.data(), positions.data());
  EXPECT_EQ(bits(found), bits(expected)) << c.tokens << " tokens, hidden " << c.hidden;
  EXPECT_EQ(positions, expected_positions) << c.tokens << " tokens, hidden " << c.hidden;
}

TEST_P(EveryTable, DecoderMaxInThePromisedOrder) {
  const KernelTable& table = *GetParam();
  for (std::size_t hidden : {1u, 2u, 3u, 17u, 128u}) {
    for (std::size_t tokens = 0; tokens <= 3 * table.token_block + 1; ++tokens) {
      expect_decoder_max(table, make_case(table, tokens, hidden, {}, static_cast<unsigned>(hidden * 100 + tokens)));
    }
  }
  expect_decoder_max(table, make_case(table, 300, 65, {}, 1));
}

TEST_P(EveryTable, DecoderMaxOfSpecialValues) {
  const std::vector<std::vector<float>> sets = {{0.0f, -0.0f},   {kDenormal, -kDenormal, 0x1p-126f, -0x1p-130f},
                                                {kHuge, -kHuge}, {kInfinity, -kInfinity},
                                                {kNan},          {kNan, kHuge, -0.0f, kInfinity}};
  for (std::size_t set = 0; set < sets.size(); ++set) {
    for (std::size_t hidden : {1u, 2u, 9u}) {
      for (std::size_t tokens : {1u, 2u, 7u, 8u, 13u, 40u}) {
        SCOPED_TRACE("set " + std::to_string(set));
        expect_decoder_max(*GetParam(), make_case(*GetParam(), tokens, hidden, sets[set], static_cast<unsigned>(tokens * 10 + set)));
      }
    }
  }
}

TEST_P(EveryTable, DecoderMaxReportsTheFirstOfEqualTokens) {
  const KernelTable& table = *GetParam();
  for (std::size_t tokens = 2; tokens <= 20; ++tokens) {
    const std::vector<float> panel(table.decoder_panel, 1.0f);
    std::vector<float> blocks((tokens + table.token_block - 1) / table.token_block * table.token_block, 2.0f);
    blocks[0] = -1.0f;
    std::vector<float> maxima(table.decoder_panel);
    std::vector<std::uint32_t> positions(table.decoder_panel);
    table.decoder_max(panel.data(), blocks.data(), tokens, 1, maxima.data(), positions.data());
    EXPECT_EQ(maxima, std::vector<float>(table.decoder_panel, 2.0f));
    EXPECT_EQ(positions, std::vector<std::uint32_t>(table.decoder_panel, 1));
  }
}

TEST_P(EveryTable, DecoderLogitsInThePromisedOrder) {
  const KernelTable& table = *GetParam();
  for (std::size_t hidden : {1u, 5u, 128u}) {
    const DecoderCase c = make_case(table, table.token_block, hidden, {kNan, kInfinity, kDenormal, -0.0f}, 5);
    std::vector<float> found(table.token_block * table.decoder_panel);
    table.decoder_logits(c.panel.data(), c.blocks.data(), hidden, found.data());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const float expected = logit(table, c, i / table.decoder_panel, i % table.decoder_panel);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(found[i]));
      } else {
        EXPECT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected));
      }
    }
  }
}

// (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 when fused and 0 when the product is rounded first.
constexpr float kFactor = 1.0f + 0x1p-12f;
constexpr float kRoundedSquare = 1.0f + 0x1p-11f;

TEST(SparseKernels, DotGatherRoundsEachStep) {
  const float dense[] = {kFactor, 1.0f, 0x1p-24f, kNan};
  const std::uint32_t fused[] = {1, 0};
  const float fused_values[] = {-kRoundedSquare, kFactor};
  EXPECT_EQ(dot_gather(fused, fused_values, 2, dense), 0.0f);
  const std::uint16_t narrow[] = {1, 0};
  EXPECT_EQ(dot_gather(narrow, fused_values, 2, dense), 0.0f);

  // From left to right each 2^-24 is rounded away; a pairwise sum would be larger.
  const std::uint32_t order[] = {1, 2, 2, 2, 2};
  const float ones[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  EXPECT_EQ(dot_gather(order, ones, 5, dense), 1.0f);

  EXPECT_EQ(std::bit_cast<std::uint32_t>(dot_gather(fused, nullptr, 0, nullptr)), 0u);
  const std::uint32_t nan_index[] = {3};
  EXPECT_TRUE(std::isnan(dot_gather(nan_index, ones, 1, dense)));
}

TEST(SparseKernels, DotGatherIsNeverNanForFiniteNumbers) {
  constexpr float kHuge = 3e38f;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float dense[] = {kHuge, kHuge, 1.0f};
  const std::uint16_t indices[] = {0, 1, 2};
  const auto dot = [&](float a, float b, float c) {
    const float values[] = {a, b, c};
    return dot_gather(indices, values, 3, dense);
  };
  EXPECT_EQ(dot(kHuge, 0.0f, 0.0f), kInfinity);
  EXPECT_EQ(dot(-1.0f, -1.0f, 0.0f), -kInfinity);
  EXPECT_EQ(dot(kHuge, -kHuge, 0.0f), 0.0f);
  EXPECT_EQ(dot(2.0f, -1.0f, 0.0f), kHuge);
}

TEST(KernelSelection, ScalarIsAlwaysThereAndFirst) {
  ASSERT_FALSE(available_kernels().empty());
  EXPECT_STREQ(available_kernels().front()->name, "scalar");
}

TEST(KernelSelection, UseKernelsMakesEachTableActive) {
  const ActiveTableGuard guard;
  for (const KernelTable* table : available_kernels()) {
    ASSERT_FALSE(use_kernels(table->name).has_value());
    EXPECT_EQ(&kernels(), table);
  }
}

TEST(KernelSelection, RefusesUnknownAndUnavailableNames) {
  const std::string before = kernels().name;
  const Status unknown = use_kernels("sse9");
  ASSERT_TRUE(unknown.has_value());
  EXPECT_STREQ(unknown->code, "ERR_INVALID_ARGUMENT");
  EXPECT_NE(unknown->message.find("\"sse9\""), std::string::npos) << unknown->message;
  for (const KernelTable* table : available_kernels()) EXPECT_NE(unknown->message.find(table->name), std::string::npos);

  const bool on_arm = std::string(available_kernels().back()->name).starts_with("neon");
  const Status unavailable = use_kernels(on_arm ? "avx2" : "neon");
  ASSERT_TRUE(unavailable.has_value());
  EXPECT_STREQ(unavailable->code, "ERR_NOT_SUPPORTED");
  EXPECT_EQ(kernels().name, before);
}

TEST(KernelSelection, ChecksTheEnvironmentVariable) {
  const char* const before = std::getenv("SPARSE_RERANK_KERNELS");
  const std::string saved = before == nullptr ? "" : before;
  set_environment("");
  EXPECT_FALSE(check_kernels_environment().has_value());
  set_environment("scalar");
  EXPECT_FALSE(check_kernels_environment().has_value());
  set_environment("sse9");
  const Status status = check_kernels_environment();
  ASSERT_TRUE(status.has_value());
  EXPECT_STREQ(status->code, "ERR_INVALID_ARGUMENT");
  EXPECT_NE(status->message.find("SPARSE_RERANK_KERNELS"), std::string::npos) << status->message;
  set_environment(saved.c_str());
}

// The table is first selected once per process, so each case runs in its own process (the "threadsafe" style restarts the binary).
class KernelEnvironmentDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  static void choose_and_exit(const char* variable, const char* expected) {
    set_environment(variable);
    std::exit(std::string(kernels().name) == expected ? 0 : 1);
  }
};

TEST_F(KernelEnvironmentDeathTest, ForcesEachTable) {
  for (const KernelTable* table : available_kernels()) {
    EXPECT_EXIT(choose_and_exit(table->name, table->name), testing::ExitedWithCode(0), "");
  }
}

TEST_F(KernelEnvironmentDeathTest, BestTableWithoutAUsableName) {
  const char* const best = available_kernels().back()->name;
  EXPECT_EXIT(choose_and_exit("", best), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(choose_and_exit("sse9", best), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sparse_rerank
