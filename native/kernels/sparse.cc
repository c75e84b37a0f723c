#include "kernels/kernels.h"

namespace sparse_rerank {

// Built with -ffp-contract=off: a fused multiply-add here would change scores between machines.

void accumulate(const std::uint32_t* slots, const float* weights, std::size_t n, float query_weight, float* scores) {
  for (std::size_t i = 0; i < n; ++i) scores[slots[i]] += query_weight * weights[i];
}

float dot_gather(const std::uint32_t* indices, const float* values, std::size_t n, const float* dense) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) sum += values[i] * dense[indices[i]];
  return sum;
}

}  // namespace sparse_rerank
