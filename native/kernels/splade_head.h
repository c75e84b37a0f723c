#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "kernels/kernels.h"
#include "kernels/screened_decoder.h"

namespace sparse_rerank {

/// One sparse vector over the vocabulary.
struct SpladeRow {
  /// Strictly ascending.
  std::vector<std::uint32_t> indices;
  /// Same length as `indices`, each above zero.
  std::vector<float> values;
  /// Same length as `indices` if requested, else empty: the token that determined each value.
  std::vector<std::uint32_t> positions;
};

/// Keeps the `keep` largest weights of a row, or all if `keep` is 0; of equal weights, the lower index is kept.
/// @param order working memory
void keep_largest(std::size_t keep, std::vector<std::uint32_t>& order, SpladeRow& row);

enum class Pooling { kMax, kSum };

enum class SpladeActivation {
  /// log1p(relu(x)): SPLADE v2 and later (Formal et al., 2021, arXiv 2109.10086).
  kRelu,
  /// log1p(log1p(relu(x))): "log1p_relu" of sentence-transformers' SpladePooling.
  kLog1pRelu,
};

/// Pools the vector of one sequence from the logits of an external ONNX model, as a SpladeHead does with its own.
/// @param logits [tokens, vocabulary] row-major
/// @param positions whether to fill `row.positions`
void pool_logits(std::span<const float> logits, std::size_t vocabulary, Pooling pooling, SpladeActivation activation, bool positions,
                 SpladeRow& row);

/// Replaces positive logits by their weights.
void activate(std::span<float> logits, SpladeActivation activation);

/// The SPLADE head on the CPU: weight[v] = pool over tokens t of activation(hidden[t] · decoder[v] + bias[v]), positive weights only.
///
/// A product that is NaN counts as not positive. Immutable after create(): any number of threads may encode at once, each with its own
/// Scratch.
class SpladeHead {
 public:
  /// Working memory of one thread, reused from call to call and shared by heads of any size. Movable.
  class Scratch {
   public:
    Scratch() = default;

   private:
    friend class SpladeHead;
    ScreenedDecoder::Scratch screen_;
    std::vector<std::uint32_t> survivors_;
    /// Survivors' rows as a packed panel.
    AlignedBuffer<float> panel_;
    /// The sequence as packed token blocks.
    AlignedBuffer<float> blocks_;
    /// Of the current panel: maxima [decoder_panel], or logits [token_block, decoder_panel].
    AlignedBuffer<float> logits_;
    AlignedBuffer<std::uint32_t> positions_;
    /// For sum pooling, [decoder_panel]: the sum, in double so that long texts lose no precision, and the largest contribution so far.
    std::vector<double> sums_;
    std::vector<float> largest_;
    /// Indices of a row during the selection of the largest.
    std::vector<std::uint32_t> order_;
  };

  /// Packs the decoder for a kernel table and keeps using that table.
  /// @param decoder [vocabulary, hidden] row-major; must stay unchanged for the life of the head, which, with a screen, reads the
  ///   rows of the surviving entries from it
  /// @param bias [vocabulary], copied, or empty for none
  /// Errors: ERR_TENSOR_MISMATCH (a length does not fit the shape), ERR_TOO_LARGE (the vocabulary exceeds 32-bit ids).
  static Result<SpladeHead> create(std::span<const float> decoder, std::span<const float> bias, std::size_t vocabulary, std::size_t hidden,
                                   Pooling pooling, SpladeActivation activation, const KernelTable& table = sparse_rerank::kernels());

  /// Replaces `row` by the vector of one sequence.
  /// @param hidden_states [tokens, hidden] row-major; without tokens the row is empty
  /// @param keep 0 keeps every positive weight, otherwise the `keep` largest; of equal weights, the lower index is kept
  /// @param positions whether to report, for max pooling, the first token that reaches the maximum, and for sum pooling the first token
  ///   with the largest contribution
  void encode(const float* hidden_states, std::size_t tokens, std::size_t keep, bool positions, Scratch& scratch, SpladeRow& row) const;

  [[nodiscard]] std::size_t vocabulary() const { return vocabulary_; }
  [[nodiscard]] std::size_t hidden() const { return hidden_; }
  /// Size of the packed decoder in bytes: vocabulary * (hidden + 24) with a screen, vocabulary * hidden * 4 without, rounded up to whole
  /// panels.
  [[nodiscard]] std::size_t packed_bytes() const { return screen_ ? screen_->bytes() : panels_.size() * sizeof(float); }
  /// Whether an 8-bit screen selects what is computed in fp32: for max pooling on a table that has one. It does not affect results.
  [[nodiscard]] bool screened() const { return screen_ != nullptr; }
  /// The table that this head was packed for.
  [[nodiscard]] const KernelTable& kernels() const { return *kernels_; }

 private:
  SpladeHead() = default;

  void pack_tokens(const float* hidden_states, std::size_t tokens, Scratch& scratch) const;
  void encode_survivors(const float* hidden_states, std::size_t tokens, bool positions, Scratch& scratch, SpladeRow& row) const;
  /// Appends the positive weights of a packed panel; entry(j) is the vocabulary entry of column j.
  template <typename Entry>
  void encode_panel_max(const float* panel, std::size_t columns, Entry entry, std::size_t tokens, bool positions, Scratch& scratch,
                        SpladeRow& row) const;
  /// Appends the positive weights of the panel that starts at vocabulary entry `first`.
  void encode_panel_sum(std::size_t first, std::size_t tokens, bool positions, Scratch& scratch, SpladeRow& row) const;

  const KernelTable* kernels_ = nullptr;
  std::size_t vocabulary_ = 0;
  std::size_t hidden_ = 0;
  Pooling pooling_ = Pooling::kMax;
  SpladeActivation activation_ = SpladeActivation::kRelu;
  /// Null if every entry is computed in fp32.
  std::unique_ptr<const ScreenedDecoder> screen_;
  /// [vocabulary, hidden], not owned; empty without a screen.
  std::span<const float> decoder_;
  /// [panels, hidden, decoder_panel]; empty with a screen.
  AlignedBuffer<float> panels_;
  /// [vocabulary]; zeros when the model has no bias.
  std::vector<float> bias_;
};

}  // namespace sparse_rerank
