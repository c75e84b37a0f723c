// Measures the highest rate of fp32 fused multiply-adds on one thread of this machine: peak SECONDS prints GFLOP/s. bench/peak.mjs compiles
// it for the machine it runs on.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#if defined(__AVX512F__)
constexpr std::size_t kBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kBytes = 32;
#else
constexpr std::size_t kBytes = 16;
#endif
using Vector [[gnu::vector_size(kBytes)]] = float;

/// More than the operations that can be in flight at once, and few enough to stay in registers.
constexpr std::size_t kChains = 12;
/// A burst takes a millisecond or two, so some bursts run without interruption.
constexpr std::size_t kSteps = 1'000'000;

int main(int, char** arguments) {
  using Clock = std::chrono::steady_clock;
  const volatile float input = 0.5F;
  const Vector factor = Vector{} + input;
  Vector sums[kChains];
  for (Vector& sum : sums) sum = Vector{} + input;
  const auto end = Clock::now() + std::chrono::duration<double>(std::atof(arguments[1]));
  double best = 0;
  while (Clock::now() < end) {
    const auto begin = Clock::now();
    for (std::size_t step = 0; step < kSteps; ++step) {
      for (Vector& sum : sums) sum = sum * factor + factor;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::max(best, 2.0 * kSteps * kChains * (kBytes / sizeof(float)) / seconds);
  }
  Vector total{};
  for (const Vector& sum : sums) total += sum;
  const volatile float used = total[0];
  static_cast<void>(used);
  std::printf("%f\n", best * 1e-9);
}
