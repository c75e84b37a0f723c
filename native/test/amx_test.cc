#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/cpu.h"
#include "emulated_amx.h"
#include "kernels/int8_linear.h"

#if defined(__linux__)
#include <pthread.h>
#include <sys/auxv.h>

#include <csignal>
#endif

namespace sparse_rerank {
namespace {

bool has_amx() {
  return std::string(available_kernels().back()->name) == "amx";
}

/// A layer of every residue of panels and blocks, and its outputs for some tokens.
class Layer {
 public:
  explicit Layer(const KernelTable& table) : packed_(kShape.packed_bytes()), x_(kTokens * kShape.inputs) {
    Int8Packer packer(kShape, packed_.data());
    std::vector<float> row(kShape.inputs);
    for (std::size_t i = 0; i < kShape.outputs; ++i) {
      for (std::size_t k = 0; k < row.size(); ++k) row[k] = static_cast<float>((i * 31 + k * 17) % 97) - 48;
      packer.set_row(i, row.data());
    }
    for (std::size_t k = 0; k < x_.size(); ++k) x_[k] = static_cast<float>(k * 29 % 113) - 56;
    linear_.emplace_back(table, kShape, packed_.data(), std::vector<float>());
  }

  [[nodiscard]] std::vector<float> outputs() const {
    Int8Linear::Scratch scratch;
    std::vector<float> out(kTokens * kShape.outputs);
    linear_.front().apply(x_.data(), kTokens, scratch, out.data());
    return out;
  }

 private:
  static constexpr LinearShape kShape{70, 150};
  static constexpr std::size_t kTokens = 50;

  AlignedBuffer<std::byte> packed_;
  std::vector<float> x_;
  std::vector<Int8Linear> linear_;
};

// scripts/test-native.sh prints this line, so that a run that proves the emulated form alone says so.
TEST(AmxKernels, SayWhichFormRuns) {
  const CpuFeatures features = detect_cpu_features();
  EXPECT_EQ(features.amx_granted, has_amx());
  EXPECT_TRUE(!features.amx_granted || (features.amx && features.avx512_vbmi2));
  const char* const forms = has_amx() ? "the processor's instructions and emulated tiles" : "emulated tiles alone";
  std::printf("AMX kernels tested: %s\n", forms);
}

#if defined(SPARSE_RERANK_AMX)
TEST(AmxKernels, ReleaseTheTiles) {
  if (!has_amx()) GTEST_SKIP() << "needs AMX";
  const Layer layer(*available_kernels().back());
  static_cast<void>(layer.outputs());
  std::uint32_t low, high;
  // The register state that is in use (XINUSE). Only the tiles' configuration: a processor may report the tiles themselves as in use for
  // longer, as Bochs does.
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  EXPECT_EQ(low >> 17 & 1, 0U);
}
#endif

/// The bounds of some panels, from bytes of every value.
std::vector<float> bounds_of(const ScreenKernel& screen) {
  constexpr std::size_t kPanels = 3;
  constexpr std::size_t kTokens = 75;
  const std::size_t steps = 3 * screen.step_block;
  const std::size_t columns = kPanels * screen.panel;
  AlignedBuffer<std::uint32_t> weights(columns * steps);
  AlignedBuffer<std::uint32_t> blocks((kTokens + screen.token_block - 1) / screen.token_block * screen.token_block * steps);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<std::uint32_t>(i * 2654435761U);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<std::uint32_t>(i * 2246822519U);
  const std::vector<std::uint32_t> corrections(columns, 12345);
  const std::vector<float> ones(columns, 1.0F);
  const ScreenPanels panels{kPanels, weights.data(), corrections.data(), ones.data(), ones.data(), ones.data(), ones.data()};
  std::vector<float> bounds(columns);
  screen.bound_panels(panels, blocks.data(), kTokens, steps, {.scale = 0.25F, .norm = 3.0F, .error = 0.125F}, bounds.data());
  return bounds;
}

// What the tests of each table show, in a form that also holds on Bochs: its tiles multiply weights as if they were unsigned.
TEST(AmxKernels, EqualTheEmulatedForm) {
  if (!has_amx()) GTEST_SKIP() << "needs AMX";
  const KernelTable& amx = *available_kernels().back();
  const KernelTable& emulated = emulated_amx_kernels();
  const std::vector<float> outputs = Layer(amx).outputs();
  const bool signed_weights = outputs == Layer(emulated).outputs();
  emulate_unsigned_weights(!signed_weights);
  std::printf("This processor multiplies %s weights.\n", signed_weights ? "signed" : "unsigned");
  EXPECT_EQ(outputs, Layer(emulated).outputs());
  EXPECT_EQ(bounds_of(*amx.screen), bounds_of(*emulated.screen));
  emulate_unsigned_weights(false);
}

class EveryTableInThreads : public testing::TestWithParam<const KernelTable*> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryTableInThreads, testing::Values(available_kernels().back(), &emulated_amx_kernels()),
                         [](const auto& parameter) { return std::string(parameter.param->name); });

#if defined(__linux__)
std::atomic<int> handled = 0;

/// Uses vector registers, as a real handler may.
void handle(int) {
  volatile float sum = 0;
  float values[64];
  for (int i = 0; i < 64; ++i) values[i] = static_cast<float>(i + handled);
  for (const float value : values) sum = sum + value;
  ++handled;
}

/// An alternate signal stack of the calling thread, of the size that the system demands.
class AlternateStack {
 public:
  AlternateStack() : memory_(getauxval(AT_MINSIGSTKSZ) + 65536) {
    stack_t stack = {};
    stack.ss_sp = memory_.data();
    stack.ss_size = memory_.size();
    EXPECT_EQ(sigaltstack(&stack, nullptr), 0);
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;
  ~AlternateStack() {
    stack_t none = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }

 private:
  std::vector<char> memory_;
};

// The system must keep the tiles of each thread, also while a signal's handler runs.
TEST_P(EveryTableInThreads, KeepTheirBitsThroughSwitchesAndSignals) {
  const Layer layer(*GetParam());
  const std::vector<float> expected = layer.outputs();
  struct sigaction action = {};
  action.sa_handler = handle;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  struct sigaction before = {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  handled = 0;
  std::atomic<int> wrong = 0;
  std::atomic<int> working = 3;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      const AlternateStack stack;
      for (int i = 0; i < 200; ++i) {
        if (layer.outputs() != expected) ++wrong;
      }
      --working;
    });
  }
  // Threads stay joinable, so their handles are valid even when they have ended.
  while (working > 0) {
    for (std::thread& thread : threads) pthread_kill(thread.native_handle(), SIGUSR1);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(handled, 0);
}
#endif

}  // namespace
}  // namespace sparse_rerank
