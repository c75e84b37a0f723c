#include "emulated_amx.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "kernels/target.h"

namespace sparse_rerank {

namespace {

/// A vector of 512 bits. The operations that amx.inc uses, in the order and with the rounding of the instructions.
struct Simd {
  static constexpr std::size_t kLanes = 16;
  struct Floats {
    float lanes[kLanes];
  };
  struct Ints {
    std::uint32_t lanes[kLanes];
  };

  static Floats load(const float* from) {
    return each<Floats>([&](std::size_t i) { return from[i]; });
  }
  static Ints load(const std::uint32_t* from) {
    return each<Ints>([&](std::size_t i) { return from[i]; });
  }
  static void store(float* to, const Floats& x) { std::copy_n(x.lanes, kLanes, to); }
  static Floats broadcast(float x) {
    return each<Floats>([&](std::size_t) { return x; });
  }
  static Ints broadcast(std::uint32_t x) {
    return each<Ints>([&](std::size_t) { return x; });
  }
  static Floats multiply_add(const Floats& a, float x, const Floats& c) {
    return each<Floats>([&](std::size_t i) { return std::fma(a.lanes[i], x, c.lanes[i]); });
  }
  static Floats multiply(const Floats& a, const Floats& b) {
    return each<Floats>([&](std::size_t i) { return a.lanes[i] * b.lanes[i]; });
  }
  static Floats add(const Floats& a, const Floats& b) {
    return each<Floats>([&](std::size_t i) { return a.lanes[i] + b.lanes[i]; });
  }
  static Ints multiply(const Ints& a, const Ints& b) {
    return each<Ints>([&](std::size_t i) { return a.lanes[i] * b.lanes[i]; });
  }
  static Ints subtract(const Ints& a, const Ints& b) {
    return each<Ints>([&](std::size_t i) { return a.lanes[i] - b.lanes[i]; });
  }
  static Ints larger(const Ints& a, const Ints& b) {
    return each<Ints>([&](std::size_t i) { return to_signed(a.lanes[i]) > to_signed(b.lanes[i]) ? a.lanes[i] : b.lanes[i]; });
  }
  static Floats to_floats(const Ints& x) {
    return each<Floats>([&](std::size_t i) { return static_cast<float>(to_signed(x.lanes[i])); });
  }
  static bool any_above_zero(const Floats& x) {
    return std::any_of(x.lanes, x.lanes + kLanes, [](float lane) { return !(lane <= 0.0F); });
  }

 private:
  static std::int32_t to_signed(std::uint32_t x) { return static_cast<std::int32_t>(x); }
  template <typename Vector, typename Lane>
  static Vector each(Lane lane) {
    Vector result;
    for (std::size_t i = 0; i < kLanes; ++i) result.lanes[i] = lane(i);
    return result;
  }
};

/// The tiles of one thread. Using them while they are not configured is an invalid instruction, here a crash.
class Tiles {
 public:
  inline static bool unsigned_weights = false;

  static void configure() { state().configured = true; }
  /// Also forgets the contents.
  static void release() { state() = {}; }
  template <int tile>
  static void zero() {
    std::memset(rows(tile), 0, sizeof(Rows));
  }
  template <int tile>
  static void load(const std::uint32_t* from) {
    std::memcpy(rows(tile), from, sizeof(Rows));
  }
  template <int tile>
  static void store(std::uint32_t* to) {
    for (std::size_t row = 0; row < kRows; ++row) std::memcpy(to + row * kInt8Panel, rows(tile)[row], kRowBytes);
  }
  /// TDPBUSD (Intel SDM volume 2B).
  template <int c, int a, int b>
  static void multiply_add() {
    for (std::size_t m = 0; m < kRows; ++m) {
      std::uint32_t sums[kRowBytes / 4];
      std::memcpy(sums, rows(c)[m], kRowBytes);
      for (std::size_t k = 0; k < kRows; ++k) {
        const std::uint8_t* const token = rows(a)[m] + 4 * k;
        const std::uint8_t* const weights = rows(b)[k];
        if (unsigned_weights) {
          add_products(token, weights, sums);
        } else {
          add_products(token, reinterpret_cast<const std::int8_t*>(weights), sums);
        }
      }
      std::memcpy(rows(c)[m], sums, kRowBytes);
    }
  }

 private:
  static constexpr std::size_t kRows = 16;
  static constexpr std::size_t kRowBytes = 64;
  using Rows = std::uint8_t[kRows][kRowBytes];
  struct State {
    bool configured = false;
    Rows tiles[8] = {};
  };

  template <typename Weight>
  static void add_products(const std::uint8_t* token, const Weight* weights, std::uint32_t* sums) {
    for (std::size_t n = 0; n < kRowBytes / 4; ++n) {
      int products = 0;
      for (std::size_t i = 0; i < 4; ++i) products += token[i] * weights[4 * n + i];
      sums[n] += static_cast<std::uint32_t>(products);
    }
  }
  static State& state() {
    thread_local State state;
    return state;
  }
  static Rows& rows(int tile) {
    if (!state().configured) std::abort();
    return state().tiles[tile];
  }
};

#include "kernels/amx.inc"

}  // namespace

const KernelTable& emulated_amx_kernels() {
  static const KernelTable table = [] {
    KernelTable made = *available_kernels().front();
    made.name = "emulated_amx";
    made.screen = &kScreen;
    made.int8 = &kInt8;
    return made;
  }();
  return table;
}

void emulate_unsigned_weights(bool on) {
  Tiles::unsigned_weights = on;
}

std::vector<const KernelTable*> tested_kernels() {
  std::vector<const KernelTable*> tables = available_kernels();
  tables.push_back(&emulated_amx_kernels());
  return tables;
}

}  // namespace sparse_rerank
