#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/aligned_buffer.h"

namespace sparse_rerank {

struct KernelTable;
struct ScreenKernel;
struct ScreenTerms;

/// Finds the few vocabulary entries that can be positive for a sequence, by 8-bit integer products with a proven error bound.
///
/// With h = m + y for a fixed vector m, and h', e' the 8-bit versions of y and of the decoder row e:
///   h·e = m·e + h'·e' + h'·(e - e') + (y - h')·e <= m·e + h'·e' + |h'| |e - e'| + |y - h'| |e|  (Cauchy and Schwarz).
/// Tokens share one scale, so the largest integer product over them bounds them all. All floating-point rounding, here and in
/// KernelTable::decoder_max, is added to the bound; an entry that is left out is not positive there.
///
/// Any m is correct. The mean of real hidden states makes |h'| and |y - h'| smallest, so it is learned from the first tokens;
/// it affects which entries survive, but not which of the survivors are positive.
class ScreenedDecoder {
 public:
  /// Working memory of one thread. Movable.
  class Scratch {
   public:
    Scratch() = default;

   private:
    friend class ScreenedDecoder;
    AlignedBuffer<std::uint32_t> blocks_;
    AlignedBuffer<float> bounds_;
    AlignedBuffer<float> centred_;
    AlignedBuffer<std::uint8_t> bytes_;
  };

  /// Integer products of longer rows could exceed 32 bits.
  static constexpr std::size_t kLargestHidden = 32768;

  /// @param kernels a table with a screen
  /// @param decoder [vocabulary, hidden] row-major; must outlive this object
  /// @param bias [vocabulary]; must outlive this object
  ScreenedDecoder(const KernelTable& kernels, std::span<const float> decoder, std::span<const float> bias, std::size_t hidden);

  /// Replaces `survivors` by an ascending list that contains every entry with a positive logit; all entries if the states are not finite.
  /// Any thread.
  /// @param hidden_states [tokens, hidden] row-major, at least one token
  void screen(const float* hidden_states, std::size_t tokens, Scratch& scratch, std::vector<std::uint32_t>& survivors) const;

  /// Size of the 8-bit decoder and the bounds' terms.
  [[nodiscard]] std::size_t bytes() const;

 private:
  /// The vector m and values derived from it.
  struct Centre {
    std::vector<float> mean;
    double norm = 0;
    /// [panels * ScreenKernel::panel]: bias + mean · row, rounded up.
    AlignedBuffer<float> offsets;
  };

  [[nodiscard]] std::unique_ptr<const Centre> make_centre(std::vector<float> mean) const;
  void pack_rows();
  void observe(const float* hidden_states, std::size_t tokens) const;
  /// Returns false if the states are not finite or too large.
  bool quantise(const float* hidden_states, std::size_t tokens, const Centre& centre, Scratch& scratch, ScreenTerms& terms) const;

  const ScreenKernel& kernel_;
  std::span<const float> decoder_;
  std::span<const float> bias_;
  std::size_t hidden_;
  /// Values of a row, filled up with zeros, and its words of four dimensions.
  std::size_t padded_;
  std::size_t steps_;
  std::size_t panels_;
  /// [panels, steps * ScreenKernel::panel].
  AlignedBuffer<std::uint32_t> weights_;
  /// As in ScreenPanels, [panels * ScreenKernel::panel] each.
  AlignedBuffer<std::uint32_t> corrections_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<float> errors_;
  AlignedBuffer<float> norms_;
  double largest_norm_ = 0;

  std::unique_ptr<const Centre> origin_;
  mutable std::atomic<const Centre*> centre_;
  /// Guards the following members.
  mutable std::mutex learning_;
  mutable std::vector<double> sums_;
  mutable std::size_t observed_ = 0;
  mutable std::unique_ptr<const Centre> learnt_;
};

}  // namespace sparse_rerank
