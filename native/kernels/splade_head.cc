#include "kernels/splade_head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace sparse_rerank {

namespace {

Error length_error(const char* tensor, std::size_t found, const std::string& expected) {
  return Error{"ERR_TENSOR_MISMATCH",
               std::string("SPLADE head: the ") + tensor + " has " + std::to_string(found) + " elements, expected " + expected};
}

/// Writes rows [0, count) of a [count, length] matrix as columns of a [length, width] one.
void transpose(const float* rows, std::size_t count, std::size_t length, std::size_t width, float* out) {
  for (std::size_t k = 0; k < length; ++k) {
    for (std::size_t i = 0; i < count; ++i) out[k * width + i] = rows[i * length + k];
  }
}

/// Writes the chosen rows of a [*, length] matrix as columns of a [length, width] one; columns beyond `count` repeat the last. `width` is a
/// multiple of 4.
void gather_panel(const float* rows, const std::uint32_t* chosen, std::size_t count, std::size_t length, std::size_t width, float* out) {
  constexpr std::size_t kGroup = 4;
  for (std::size_t j = 0; j < width; j += kGroup) {
    const float* from[kGroup];
    for (std::size_t i = 0; i < kGroup; ++i) from[i] = rows + chosen[std::min(j + i, count - 1)] * length;
    for (std::size_t k = 0; k < length; ++k) {
      // All reads come before the writes, which then merge into one.
      float column[kGroup];
      for (std::size_t i = 0; i < kGroup; ++i) column[i] = from[i][k];
      for (std::size_t i = 0; i < kGroup; ++i) out[k * width + j + i] = column[i];
    }
  }
}

/// Computed in double, then rounded: the float versions of C libraries differ in the last bit.
float log1p_rounded(float x) {
  return static_cast<float>(std::log1p(static_cast<double>(x)));
}

float activate(float x, SpladeActivation activation) {
  const float once = log1p_rounded(x);
  return activation == SpladeActivation::kRelu ? once : log1p_rounded(once);
}

}  // namespace

void keep_largest(std::size_t keep, std::vector<std::uint32_t>& order, SpladeRow& row) {
  if (keep == 0 || row.values.size() <= keep) return;
  order.resize(row.values.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto cut = order.begin() + static_cast<std::ptrdiff_t>(keep);
  std::nth_element(order.begin(), cut, order.end(), [&row](std::uint32_t a, std::uint32_t b) {
    return row.values[a] != row.values[b] ? row.values[a] > row.values[b] : a < b;
  });
  std::sort(order.begin(), cut);
  // order[i] >= i, so nothing is overwritten before it is read.
  for (std::size_t i = 0; i < keep; ++i) {
    row.indices[i] = row.indices[order[i]];
    row.values[i] = row.values[order[i]];
    if (!row.positions.empty()) row.positions[i] = row.positions[order[i]];
  }
  row.indices.resize(keep);
  row.values.resize(keep);
  if (!row.positions.empty()) row.positions.resize(keep);
}

void activate(std::span<float> logits, SpladeActivation activation) {
  for (float& value : logits) value = activate(value, activation);
}

void pool_logits(std::span<const float> logits, std::size_t vocabulary, Pooling pooling, SpladeActivation activation, bool positions,
                 SpladeRow& row) {
  // Reads the logits row by row, as they lie in memory. Values below zero and NaN never exceed the current maximum.
  std::vector<float> largest(vocabulary, 0.0f);
  std::vector<double> sums(pooling == Pooling::kSum ? vocabulary : 0, 0.0);
  std::vector<std::uint32_t> tokens(vocabulary, 0);
  for (std::size_t t = 0; (t + 1) * vocabulary <= logits.size(); ++t) {
    const float* const of_token = logits.data() + t * vocabulary;
    for (std::size_t v = 0; v < vocabulary; ++v) {
      const bool larger = of_token[v] > largest[v];
      largest[v] = larger ? of_token[v] : largest[v];
      tokens[v] = larger ? static_cast<std::uint32_t>(t) : tokens[v];
    }
    for (std::size_t v = 0; v < sums.size(); ++v) {
      if (of_token[v] > 0.0f) sums[v] += activate(of_token[v], activation);
    }
  }
  for (std::size_t v = 0; v < vocabulary; ++v) {
    if (largest[v] == 0.0f) continue;
    row.indices.push_back(static_cast<std::uint32_t>(v));
    row.values.push_back(pooling == Pooling::kSum ? static_cast<float>(sums[v]) : activate(largest[v], activation));
    if (positions) row.positions.push_back(tokens[v]);
  }
}

Result<SpladeHead> SpladeHead::create(std::span<const float> decoder, std::span<const float> bias, std::size_t vocabulary,
                                      std::size_t hidden, Pooling pooling, SpladeActivation activation, const KernelTable& table) {
  if (vocabulary > std::numeric_limits<std::uint32_t>::max()) {
    return Error{"ERR_TOO_LARGE", "SPLADE head: a vocabulary of " + std::to_string(vocabulary) + " exceeds 32-bit token ids"};
  }
  const bool fits = hidden == 0 || vocabulary <= std::numeric_limits<std::size_t>::max() / hidden;
  if (vocabulary == 0 || hidden == 0 || !fits || decoder.size() != vocabulary * hidden) {
    return length_error("decoder", decoder.size(),
                        "vocabulary * hidden = " + std::to_string(vocabulary) + " * " + std::to_string(hidden) + ", both above 0");
  }
  if (!bias.empty() && bias.size() != vocabulary) return length_error("bias", bias.size(), "vocabulary = " + std::to_string(vocabulary));

  SpladeHead head;
  head.kernels_ = &table;
  head.vocabulary_ = vocabulary;
  head.hidden_ = hidden;
  head.pooling_ = pooling;
  head.activation_ = activation;
  head.bias_.assign(bias.begin(), bias.end());
  head.bias_.resize(vocabulary, 0.0f);

  if (pooling == Pooling::kMax && head.kernels_->screen != nullptr && hidden <= ScreenedDecoder::kLargestHidden) {
    head.decoder_ = decoder;
    // The elements of the vector stay in place when the head moves.
    head.screen_ = std::make_unique<const ScreenedDecoder>(*head.kernels_, decoder, head.bias_, hidden);
    return head;
  }
  const std::size_t width = head.kernels_->decoder_panel;
  const std::size_t panels = (vocabulary + width - 1) / width;
  head.panels_ = AlignedBuffer<float>(panels * width * hidden);
  std::fill(head.panels_.end() - width * hidden, head.panels_.end(), 0.0f);
  for (std::size_t p = 0; p < panels; ++p) {
    const std::size_t first = p * width;
    transpose(decoder.data() + first * hidden, std::min(width, vocabulary - first), hidden, width, head.panels_.data() + first * hidden);
  }
  return head;
}

void SpladeHead::encode(const float* hidden_states, std::size_t tokens, std::size_t keep, bool positions, Scratch& scratch,
                        SpladeRow& row) const {
  row.indices.clear();
  row.values.clear();
  row.positions.clear();
  if (tokens == 0) return;
  scratch.logits_.reserve_discarding(kernels_->token_block * kernels_->decoder_panel);
  scratch.positions_.reserve_discarding(kernels_->decoder_panel);
  if (screen_ != nullptr) {
    encode_survivors(hidden_states, tokens, positions, scratch, row);
  } else {
    pack_tokens(hidden_states, tokens, scratch);
    for (std::size_t first = 0; first < vocabulary_; first += kernels_->decoder_panel) {
      if (pooling_ == Pooling::kSum) {
        encode_panel_sum(first, tokens, positions, scratch, row);
        continue;
      }
      const std::size_t columns = std::min(kernels_->decoder_panel, vocabulary_ - first);
      const auto entry = [first](std::size_t j) { return first + j; };
      encode_panel_max(panels_.data() + first * hidden_, columns, entry, tokens, positions, scratch, row);
    }
  }
  keep_largest(keep, scratch.order_, row);
}

void SpladeHead::pack_tokens(const float* hidden_states, std::size_t tokens, Scratch& scratch) const {
  const std::size_t width = kernels_->token_block;
  const std::size_t blocks = (tokens + width - 1) / width;
  scratch.blocks_.reserve_discarding(blocks * width * hidden_);
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t first = b * width;
    const std::size_t count = std::min(width, tokens - first);
    float* block = scratch.blocks_.data() + first * hidden_;
    transpose(hidden_states + first * hidden_, count, hidden_, width, block);
    for (std::size_t k = 0; k < hidden_; ++k) std::fill(block + k * width + count, block + (k + 1) * width, block[k * width + count - 1]);
  }
}

void SpladeHead::encode_survivors(const float* hidden_states, std::size_t tokens, bool positions, Scratch& scratch, SpladeRow& row) const {
  const std::vector<std::uint32_t>& survivors = scratch.survivors_;
  screen_->screen(hidden_states, tokens, scratch.screen_, scratch.survivors_);
  if (survivors.empty()) return;
  pack_tokens(hidden_states, tokens, scratch);
  const std::size_t width = kernels_->decoder_panel;
  scratch.panel_.reserve_discarding(width * hidden_);
  for (std::size_t first = 0; first < survivors.size(); first += width) {
    const std::size_t columns = std::min(width, survivors.size() - first);
    const auto entry = [&](std::size_t j) { return survivors[first + j]; };
    gather_panel(decoder_.data(), survivors.data() + first, columns, hidden_, width, scratch.panel_.data());
    encode_panel_max(scratch.panel_.data(), columns, entry, tokens, positions, scratch, row);
  }
}

// The bias and the activation are monotone, rounding included, so they are applied after the maximum, to one number per entry.
template <typename Entry>
void SpladeHead::encode_panel_max(const float* panel, std::size_t columns, Entry entry, std::size_t tokens, bool positions,
                                  Scratch& scratch, SpladeRow& row) const {
  float* maxima = scratch.logits_.data();
  kernels_->decoder_max(panel, scratch.blocks_.data(), tokens, hidden_, maxima, scratch.positions_.data());
  for (std::size_t j = 0; j < columns; ++j) {
    const float logit = maxima[j] + bias_[entry(j)];
    if (!(logit > 0.0f)) continue;
    row.indices.push_back(static_cast<std::uint32_t>(entry(j)));
    row.values.push_back(activate(logit, activation_));
    if (positions) row.positions.push_back(scratch.positions_[j]);
  }
}

void SpladeHead::encode_panel_sum(std::size_t first, std::size_t tokens, bool positions, Scratch& scratch, SpladeRow& row) const {
  const std::size_t panel = kernels_->decoder_panel;
  const std::size_t block = kernels_->token_block;
  const std::size_t columns = std::min(panel, vocabulary_ - first);
  scratch.sums_.assign(columns, 0.0);
  scratch.largest_.assign(columns, 0.0f);
  for (std::size_t t = 0; t < tokens; t += block) {
    kernels_->decoder_logits(panels_.data() + first * hidden_, scratch.blocks_.data() + t * hidden_, hidden_, scratch.logits_.data());
    for (std::size_t i = 0; i < std::min(block, tokens - t); ++i) {
      const float* logits = scratch.logits_.data() + i * panel;
      for (std::size_t j = 0; j < columns; ++j) {
        const float logit = logits[j] + bias_[first + j];
        if (!(logit > 0.0f)) continue;
        const float weight = activate(logit, activation_);
        scratch.sums_[j] += weight;
        if (weight > scratch.largest_[j]) {
          scratch.largest_[j] = weight;
          scratch.positions_[j] = static_cast<std::uint32_t>(t + i);
        }
      }
    }
  }
  for (std::size_t j = 0; j < columns; ++j) {
    if (scratch.sums_[j] == 0.0) continue;
    row.indices.push_back(static_cast<std::uint32_t>(first + j));
    row.values.push_back(static_cast<float>(scratch.sums_[j]));
    if (positions) row.positions.push_back(scratch.positions_[j]);
  }
}

}  // namespace sparse_rerank
