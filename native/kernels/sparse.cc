#include "kernels/kernels.h"

#include <cmath>

namespace sparse_rerank {

// Built with -ffp-contract=off: a fused multiply-add here would change scores between machines.

void add_sparse(const std::uint16_t* slots, const std::uint8_t* weights, std::size_t n, std::uint16_t factor, std::uint16_t* bounds) {
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t sum = bounds[slots[i]] + ((std::uint32_t{weights[i]} * factor) >> 8);
    bounds[slots[i]] = static_cast<std::uint16_t>(sum > 0xffff ? 0xffff : sum);
  }
}

namespace {

template <typename Index>
float dot(const Index* indices, const float* values, std::size_t n, const float* dense) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) sum += values[i] * dense[indices[i]];
  if (std::isfinite(sum)) return sum;
  // Products and sums of finite floats are finite doubles, so infinities of opposite sign never meet and produce NaN.
  double wide = 0.0;
  for (std::size_t i = 0; i < n; ++i) wide += static_cast<double>(values[i]) * dense[indices[i]];
  return static_cast<float>(wide);
}

}  // namespace

float dot_gather(const std::uint32_t* indices, const float* values, std::size_t n, const float* dense) {
  return dot(indices, values, n, dense);
}

float dot_gather(const std::uint16_t* indices, const float* values, std::size_t n, const float* dense) {
  return dot(indices, values, n, dense);
}

}  // namespace sparse_rerank
