// Runs one kernel on fixed input, so that scripts/count-kernel-instructions.sh can count its instructions: kernel_counts TABLE KERNEL
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "kernels/kernels.h"

#if defined(_MSC_VER)
#define SPARSE_RERANK_NOINLINE __declspec(noinline)
#else
#define SPARSE_RERANK_NOINLINE __attribute__((noinline))
#endif

/// Callgrind counts the instructions inside this function, which it finds by name.
extern "C" SPARSE_RERANK_NOINLINE void counted_kernel(const std::function<void()>& kernel) {
  kernel();
}

namespace sparse_rerank {
namespace {

constexpr std::size_t kHidden = 128;
constexpr std::size_t kHeadSize = 32;
constexpr std::size_t kTokens = 64;
constexpr std::size_t kElements = 4096;
constexpr std::size_t kGroups = 64;
constexpr std::size_t kLists = 16;

/// The same small numbers on every platform.
template <typename T>
AlignedBuffer<T> numbers(std::size_t count) {
  AlignedBuffer<T> buffer(count);
  for (std::size_t i = 0; i < count; ++i) buffer.data()[i] = static_cast<T>(i % 61);
  return buffer;
}

/// Eight documents per group.
AlignedBuffer<std::uint64_t> sparse_masks(std::size_t groups) {
  AlignedBuffer<std::uint64_t> masks(groups);
  for (std::size_t g = 0; g < groups; ++g) masks.data()[g] = std::uint64_t{0x0102040810204080} << g % 2;
  return masks;
}

/// Null if the table has no such kernel.
std::function<void()> kernel_of(const KernelTable& table, const std::string& name) {
  static const AlignedBuffer<float> floats = numbers<float>(1 << 16);
  static const AlignedBuffer<std::uint32_t> words = numbers<std::uint32_t>(1 << 16);
  static const AlignedBuffer<std::uint16_t> halves = numbers<std::uint16_t>(kElements);
  static AlignedBuffer<float> out(1 << 16);
  static AlignedBuffer<std::uint32_t> positions(1 << 10);
  if (name == "decoder_max") {
    return [&table] { table.decoder_max(floats.data(), floats.data(), kTokens, kHidden, out.data(), positions.data()); };
  }
  if (name == "decoder_logits") return [&table] { table.decoder_logits(floats.data(), floats.data(), kHidden, out.data()); };
  if (name == "bound_panels" && table.screen != nullptr) {
    return [&table] {
      const ScreenPanels panels{1, words.data(), words.data(), floats.data(), floats.data(), floats.data(), floats.data()};
      table.screen->bound_panels(panels, words.data(), kTokens, kHidden / 4, {1, 1, 1}, out.data());
    };
  }
  if (name == "add_masked") {
    static const AlignedBuffer<std::uint64_t> masks = sparse_masks(kGroups);
    static const AlignedBuffer<std::uint8_t> weights = numbers<std::uint8_t>(kGroups * 64 + 128);
    static AlignedBuffer<std::uint16_t> bounds = numbers<std::uint16_t>(kGroups * 64);
    static AlignedBuffer<std::uint16_t> maxima(kGroups);
    return [&table] {
      std::vector<MaskedList> lists(kLists, {masks.data(), weights.data(), weights.data() + kGroups * 64, 300});
      table.add_masked(lists.data(), lists.size(), kGroups, bounds.data(), maxima.data());
    };
  }
  if (name == "attention") {
    return [&table] {
      AttentionInputs in{};
      in.query = in.key = in.value = floats.data();
      in.queries = in.keys = kTokens;
      in.heads = kHidden / kHeadSize;
      in.size = kHeadSize;
      in.scale = 1e-3F;
      in.reach = kTokens;
      AlignedBuffer<float> scratch(attention_scratch(in));
      table.attention(in, scratch.data(), out.data());
    };
  }
  if (name == "gelu") return [&table] { table.gelu(floats.data(), nullptr, kElements, out.data()); };
  if (name == "swish") return [&table] { table.swish(floats.data(), nullptr, kElements, {1, 0}, out.data()); };
  if (name == "widen_f16") return [&table] { table.widen_f16(halves.data(), kElements, out.data()); };
  if (name == "widen_bf16") return [&table] { table.widen_bf16(halves.data(), kElements, out.data()); };
  return nullptr;
}

}  // namespace
}  // namespace sparse_rerank

int main(int count, char** arguments) {
  using namespace sparse_rerank;
  if (count != 3) return 2;
  for (const KernelTable* table : available_kernels()) {
    if (table->name != std::string(arguments[1])) continue;
    if (const auto kernel = kernel_of(*table, arguments[2])) {
      counted_kernel(kernel);
      return 0;
    }
  }
  std::fprintf(stderr, "There is no kernel %s of %s here.\n", arguments[2], arguments[1]);
  return 1;
}
