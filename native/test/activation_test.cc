#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace sparse_rerank {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kHuge = std::numeric_limits<float>::max();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

constexpr SwishShape kSilu = {1, 0};
constexpr SwishShape kQuickGelu = {1.702F, 0};
constexpr SwishShape kTanhGelu = {1.5957691F, 0.071354814F};

using Function = std::function<void(const KernelTable&, const float*, const float*, std::size_t, float*)>;

struct Activation {
  std::string name;
  Function apply;
  std::function<double(double)> definition;
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

Activation swish(const std::string& name, SwishShape shape, std::function<double(double)> definition) {
  return {
      name,
      [shape](const KernelTable& table, const float* x, const float* up, std::size_t n, float* out) { table.swish(x, up, n, shape, out); },
      std::move(definition)};
}

const std::vector<Activation>& activations() {
  static const std::vector<Activation> all = {
      {"gelu", [](const KernelTable& table, const float* x, const float* up, std::size_t n, float* out) { table.gelu(x, up, n, out); },
       [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }},
      swish("silu", kSilu, [](double x) { return x * sigmoid(x); }),
      swish("quick_gelu", kQuickGelu, [](double x) { return x * sigmoid(1.702 * x); }),
      swish("gelu_tanh", kTanhGelu,
            [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); }),
  };
  return all;
}

std::vector<float> apply(const KernelTable& table, const Activation& activation, const std::vector<float>& x) {
  std::vector<float> out(x.size());
  activation.apply(table, x.data(), nullptr, x.size(), out.data());
  return out;
}

class EveryActivationTable : public testing::TestWithParam<const KernelTable*> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryActivationTable, testing::ValuesIn(available_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

TEST_P(EveryActivationTable, EqualsTheDefinition) {
  std::vector<float> x;
  for (int i = -120000; i <= 120000; ++i) x.push_back(static_cast<float>(i) * 1e-4F);
  for (const Activation& activation : activations()) {
    const std::vector<float> found = apply(*GetParam(), activation, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(double{found[i]}, activation.definition(double{x[i]}), 3e-7 * std::abs(double{x[i]}))
          << activation.name << " of " << x[i];
    }
  }
}

TEST_P(EveryActivationTable, HandlesSpecialNumbers) {
  for (const Activation& activation : activations()) {
    const std::vector<float> x = {0.0F,   -0.0F, kDenormal, -kDenormal, 1e-30F,     -1e-30F, kHuge,
                                  -kHuge, 1e20F, -1e20F,    kInfinity,  -kInfinity, kNan};
    const std::vector<float> found = apply(*GetParam(), activation, x);
    const std::vector<float> expected = {0.0F,  -0.0F, kDenormal / 2, -kDenormal / 2, 0.5e-30F, -0.5e-30F, kHuge,
                                         -0.0F, 1e20F, -0.0F,         kInfinity,      kNan,     kNan};
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(expected[i])) {
        EXPECT_TRUE(std::isnan(found[i])) << activation.name << " of " << x[i];
      } else if (std::abs(x[i]) <= kDenormal) {
        EXPECT_LE(std::abs(found[i]), kDenormal) << activation.name << " of " << x[i];
        EXPECT_EQ(std::signbit(found[i]), std::signbit(x[i])) << activation.name << " of " << x[i];
      } else {
        EXPECT_FLOAT_EQ(found[i], expected[i]) << activation.name << " of " << x[i];
      }
    }
    // A NaN with low bits set, which arithmetic on the bits could turn into a number.
    EXPECT_TRUE(std::isnan(apply(*GetParam(), activation, {std::bit_cast<float>(0x7fc00003U)})[0]));
    EXPECT_TRUE(std::isnan(apply(*GetParam(), activation, {std::bit_cast<float>(0xffffffffU)})[0]));
  }
}

TEST_P(EveryActivationTable, GivesAnElementTheSameBitsInEveryPlaceAndMultipliesByTheGate) {
  for (const Activation& activation : activations()) {
    for (std::size_t n = 0; n <= 40; ++n) {
      std::vector<float> x;
      std::vector<float> up;
      for (std::size_t i = 0; i < n; ++i) {
        x.push_back(static_cast<float>(i) * 0.37F - 5);
        up.push_back(2 - static_cast<float>(i) * 0.21F);
      }
      const std::vector<float> plain = apply(*GetParam(), activation, x);
      std::vector<float> out(n);
      activation.apply(*GetParam(), x.data(), up.data(), n, out.data());
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_EQ(plain[i], apply(*GetParam(), activation, {x[i]})[0]) << activation.name << " of element " << i << " of " << n;
        EXPECT_EQ(out[i], plain[i] * up[i]) << activation.name;
      }
      // In place.
      std::vector<float> in_place = x;
      activation.apply(*GetParam(), in_place.data(), up.data(), n, in_place.data());
      EXPECT_EQ(in_place, out);
      activation.apply(*GetParam(), x.data(), up.data(), n, up.data());
      EXPECT_EQ(up, out);
    }
  }
}

}  // namespace
}  // namespace sparse_rerank
