#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// Consecutive panels of an 8-bit decoder, see ScreenedDecoder. Every array except `weights` has ScreenKernel::panel elements a panel.
struct ScreenPanels {
  std::size_t count;
  /// Panels of `steps` * ScreenKernel::panel words of four signed 8-bit weights, written by ScreenKernel::pack_entry.
  const std::uint32_t* weights;
  /// token_offset times the sum of the column's 8-bit weights, modulo 2^32.
  const std::uint32_t* corrections;
  const float* offsets;
  const float* scales;
  const float* errors;
  const float* norms;
};

/// The contribution of a sequence to the bounds of all panels.
struct ScreenTerms {
  float scale;
  float norm;
  float error;
};

/// Upper bounds of logits by exact products of 8-bit integers. A row of an entry or a token is `steps` words of four 8-bit values, those of
/// dimensions 4 * step to 4 * step + 3 in memory order.
struct ScreenKernel {
  /// Most panels of one call of bound_panels.
  static constexpr std::size_t kMostPanels = 32;

  /// Weights lie in [-weight_limit, weight_limit], which the instructions multiply and add without saturation.
  int weight_limit;
  /// Tokens lie in [-127, 127] and are stored with this added, modulo 256: x86 multiplies unsigned by signed numbers.
  int token_offset;
  /// Vocabulary entries in one packed panel.
  std::size_t panel;
  /// Tokens in one packed block of `steps` * token_block words; the last block repeats the last token in its unused columns.
  std::size_t token_block;
  /// `steps` is a multiple of this.
  std::size_t step_block;
  /// Writes the row of an entry into column `column` of its panel.
  void (*pack_entry)(const std::uint32_t* row, std::size_t steps, std::size_t column, std::uint32_t* panel);
  /// Writes the row of a token into column `column` of its block.
  void (*pack_token)(const std::uint32_t* row, std::size_t steps, std::size_t column, std::uint32_t* block);
  /// bounds[j] = offsets[j] + scale * scales[j] * largest + norm * errors[j] + error * norms[j], up to fp32 rounding of each operation,
  /// where `largest` is the largest integer product of column j with a token.
  /// @param panels at most kMostPanels
  /// @param blocks ceil(tokens / token_block) blocks
  /// @param bounds [panels.count, panel], written
  /// @return bit p is set if panel p has a bound that is above zero or NaN
  std::uint32_t (*bound_panels)(const ScreenPanels& panels, const std::uint32_t* blocks, std::size_t tokens, std::size_t steps,
                                const ScreenTerms& terms, float* bounds);
};

/// The packed weights of an 8-bit linear layer, the same for every table, since packed layers are stored and shared. A panel of kInt8Panel
/// outputs is a sequence of blocks of kInt8Block words of four inputs each; a block is one tile of kInt8Tile outputs after the other, and a
/// tile is [kInt8Block, kInt8Tile] words: what AMX multiplies at once, and what the vectors of other sets load row by row.
inline constexpr std::size_t kInt8Panel = 32;
inline constexpr std::size_t kInt8Tile = 16;
inline constexpr std::size_t kInt8Block = 16;

/// Consecutive panels of an 8-bit linear layer, see Int8Linear. Every array except `weights` has kInt8Panel elements a panel.
struct Int8Panels {
  std::size_t count;
  /// Words of four signed 8-bit weights in [-127, 127], those of inputs 4 * step to 4 * step + 3 in memory order; inputs past the layer's
  /// have weight 0.
  const std::uint32_t* weights;
  /// The sum of the output's weights, modulo 2^32.
  const std::uint32_t* sums;
  const float* scales;
  const float* biases;
};

/// Tokens in 8 bits, written by Int8Kernel::quantise. A byte b of token i stands for (b - zeros[i]) * scales[i].
struct Int8Tokens {
  std::size_t count;
  /// In the order of the table's quantise.
  const std::uint32_t* words;
  /// Words of a token, a multiple of kInt8Block.
  std::size_t stride;
  const std::uint32_t* zeros;
  const float* scales;
};

/// Linear layers by exact products of 8-bit integers, so that every table returns the same floats.
struct Int8Kernel {
  /// 1: the bytes of a token are consecutive. More: tokens form blocks of so many, the last one possibly incomplete, and a block is its
  /// tokens' first 64 bytes, then their second 64 bytes, and so on.
  std::size_t token_block;
  /// Quantizes each row with its own scale and zero point: its range, extended to include 0, becomes 254 steps from the smallest byte;
  /// halves round away from zero. A row whose range is below 1e-30 has scale 0, one that is not finite has scale NaN, and both have equal
  /// bytes.
  /// @param rows [count, width] row-major
  /// @param stride at least `width`, a multiple of 64
  /// @param bytes [count rounded up to blocks, stride] in the order of token_block, written; those past `width` and of missing tokens are
  ///   unspecified
  /// @param zeros [count], written, modulo 2^32
  /// @param scales [count], written
  void (*quantise)(const float* rows, std::size_t count, std::size_t width, std::size_t stride, std::uint8_t* bytes, std::uint32_t* zeros,
                   float* scales);
  /// out[i, j] = the integer sum over inputs of (byte of token i - its zero) * weight of output j, times scales[j], times the token's
  /// scale, plus biases[j]; every operation on floats rounds.
  /// @param steps words of four inputs that are not all padding, in (stride - kInt8Block, stride]
  /// @param out [tokens, out_stride] row-major, of which the first panels.count * kInt8Panel columns are written
  void (*multiply)(const Int8Panels& panels, const Int8Tokens& tokens, std::size_t steps, float* out, std::size_t out_stride);
};

/// Attention of one sequence, all heads: out = softmax(scale * Q Kᵀ + bias) V for each head (Vaswani et al., 2017, arXiv 1706.03762).
struct AttentionInputs {
  /// [queries, heads * size]: the tokens from position 0 on.
  const float* query;
  /// [keys, heads * size], as is `value`.
  const float* key;
  const float* value;
  std::size_t queries;
  std::size_t keys;
  std::size_t heads;
  std::size_t size;
  float scale;
  /// The largest distance between the positions of a query and of a key that it attends to; `keys` or more for no limit.
  std::size_t reach;
  /// Cosine and sine of the rotary position embeddings of queries and keys, [keys, size / 2] each (Su et al., 2021, arXiv 2104.09864:
  /// dimensions i and i + size / 2 are a pair); null for none.
  const float* cosine;
  const float* sine;
  /// For each head and distance, [heads, 2 * keys - 1], a number that is added to the score; null for none. The distance of query i and key
  /// j has the place keys - 1 - i + j.
  const float* bias;
  /// The row of each distance in the terms of disentangled attention (He et al., 2021, arXiv 2006.03654), [2 * keys - 1] in the order of
  /// `bias`, each less than `rows`; null for none.
  const std::int32_t* distance_rows;
  std::size_t rows;
  /// [heads, queries, rows] and [heads, keys, rows]; one may be null. Of the row of the distance of query i and key j, numbers i of the
  /// former and j of the latter are added to the score.
  const float* query_terms;
  const float* key_terms;
};

/// The queries and keys that the SIMD tables' attention processes at a time, which bounds its working memory whatever the length: the
/// scores of a block stay in the level-1 or level-2 cache.
inline constexpr std::size_t kAttentionQueries = 24;
inline constexpr std::size_t kAttentionKeys = 256;
/// The most columns of a panel of keys or values in any table.
inline constexpr std::size_t kAttentionPanel = 32;

/// Floats of working memory for KernelTable::attention, in every table.
[[nodiscard]] constexpr std::size_t attention_scratch(const AttentionInputs& inputs) {
  const std::size_t width = (inputs.size + kAttentionPanel - 1) / kAttentionPanel * kAttentionPanel;
  const std::size_t packed = (2 * kAttentionKeys + 2 * kAttentionQueries + kAttentionPanel) * width;
  return packed + kAttentionQueries * (kAttentionKeys + kAttentionPanel) + 2 * inputs.queries + inputs.keys;
}

/// x * sigmoid(x * (linear + cubic * x * x)): SiLU (1, 0), quick GELU (1.702, 0), and the tanh approximation of GELU.
struct SwishShape {
  float linear;
  float cubic;
};

/// How far ahead add_masked prefetches a list's masks and weights. The lists are too many streams for a CPU's hardware
/// prefetcher.
inline constexpr std::size_t kPrefetchedBytes = 256;

/// A posting list over groups of 64 documents. Bit j of masks[g] is set if document 64 * g + j has a weight; the weights of these documents
/// are consecutive.
struct MaskedList {
  const std::uint64_t* masks;
  /// Up to `weights_end`; 128 bytes past it must be readable.
  const std::uint8_t* weights;
  const std::uint8_t* weights_end;
  std::uint16_t factor;
};

/// The numeric kernels for one instruction set. The scalar table is the specification: each other table equals it bit for bit, except the
/// decoder products, which differ by fp32 rounding (they use fused multiply-add). Every kernel is reentrant and may run on any thread.
struct KernelTable {
  /// "scalar", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512vbmi2", "amx", "neon" or "neondot".
  const char* name;

  /// Vocabulary entries in one packed decoder panel. A panel is [hidden, decoder_panel] row-major, so that one step over the hidden
  /// dimension reads adjacent memory; columns beyond the vocabulary are zero.
  std::size_t decoder_panel;

  /// Tokens in one packed block. A block is [hidden, token_block] row-major; the last block repeats the last token in its unused columns.
  std::size_t token_block;

  /// One panel's products with all tokens of a sequence, reduced at once: maxima[j] is the largest logit of column j over the tokens and
  /// positions[j] the first token that reaches it. The logits are never stored. NaN logits are ignored; a column without a logit above
  /// minus infinity gets minus infinity and position 0.
  /// Each logit is one accumulator over the hidden dimension in ascending order from +0, with fused multiply-add in the SIMD tables and a
  /// rounded product and a rounded sum in scalar: code that repeats that order gets the same bits.
  /// @param panel [hidden, decoder_panel]
  /// @param blocks ceil(tokens / token_block) packed blocks
  /// @param maxima [decoder_panel], written
  /// @param positions [decoder_panel], written
  void (*decoder_max)(const float* panel, const float* blocks, std::size_t tokens, std::size_t hidden, float* maxima,
                      std::uint32_t* positions);

  /// The logits of one panel and one packed block, summed in the order of decoder_max, for poolings that need each of them.
  /// @param block [hidden, token_block]
  /// @param logits [token_block, decoder_panel] row-major, written; rows of unused block columns repeat the last token's
  void (*decoder_logits)(const float* panel, const float* block, std::size_t hidden, float* logits);

  /// Null if no instruction multiplies 8-bit integers faster than decoder_max multiplies floats.
  const ScreenKernel* screen;

  const Int8Kernel* int8;

  /// fp32; tables differ by rounding. A query's result does not depend on the number of queries. A query with a score that is NaN or plus
  /// infinity gets NaN; a key with the score minus infinity has no weight, and a query without other keys gets NaN.
  /// @param scratch attention_scratch(inputs) floats
  /// @param out [queries, heads * size], written; no input overlaps it
  void (*attention)(const AttentionInputs& inputs, float* scratch, float* out);

  /// out[i] = x[i] * Phi(x[i]) [* up[i]], the exact GELU (Hendrycks and Gimpel, 2016, arXiv 1606.08415), within 3e-7 * |x| (before the
  /// product with `up`). Minus infinity gives NaN, as in PyTorch. An element's result does not depend on its place.
  /// @param up [n], or null for the plain form
  /// @param out [n], written; may be `x` or `up`
  void (*gelu)(const float* x, const float* up, std::size_t n, float* out);

  /// Like `gelu`, for the activations that SwishShape describes.
  void (*swish)(const float* x, const float* up, std::size_t n, SwishShape shape, float* out);

  /// IEEE binary16 to binary32, exact; a signaling NaN becomes quiet and keeps its payload. `in` and `out` do not overlap.
  void (*widen_f16)(const std::uint16_t* in, std::size_t n, float* out);

  /// bfloat16 to binary32, exact; NaN payloads are kept. `in` and `out` do not overlap.
  void (*widen_bf16)(const std::uint16_t* in, std::size_t n, float* out);

  /// Adds posting lists to the score bounds of groups of 64 documents, and finds the largest bound of each group: for each document of a
  /// list, bounds[64 * g + j] += weight * factor / 256, rounded down and saturating at 65535.
  /// @param lists [count]; their `weights` advance. More mask bits than weights yield meaningless bounds, but never a read past what
  ///   MaskedList allows
  /// @param bounds [64 * groups]
  /// @param maxima [groups], written
  void (*add_masked)(MaskedList* lists, std::size_t count, std::size_t groups, std::uint16_t* bounds, std::uint16_t* maxima);
};

/// bounds[slots[i]] += weights[i] * factor / 256, rounded down and saturating at 65535. Not in the table: such a scatter has no faster form
/// than a plain loop (gather and scatter of AVX-512 measured up to 1.9 times slower on Zen 5).
/// @param bounds [65536]
void add_sparse(const std::uint16_t* slots, const std::uint8_t* weights, std::size_t n, std::uint16_t factor, std::uint16_t* bounds);

/// The sum of values[i] * dense[indices[i]] from i = 0 upwards, each product and each sum rounded, starting from +0. If that overflows,
/// the same sum in double, rounded once: possibly infinite, but never NaN for finite numbers. Not in the table: the fixed order makes it a
/// chain of additions, which no instruction set shortens, and the order makes a document's score independent of the search
/// algorithm that requests it.
[[nodiscard]] float dot_gather(const std::uint32_t* indices, const float* values, std::size_t n, const float* dense);
[[nodiscard]] float dot_gather(const std::uint16_t* indices, const float* values, std::size_t n, const float* dense);

/// The active table: on the first call the best one that this CPU supports, or the one named by the environment variable
/// SPARSE_RERANK_KERNELS. Any thread.
[[nodiscard]] const KernelTable& kernels();

/// The tables that this CPU and operating system support, scalar first, best last.
[[nodiscard]] std::vector<const KernelTable*> available_kernels();

/// Makes `name` the active table of the whole process. Objects that keep data in a table's layout (SpladeHead) stay with theirs. Any
/// thread. Errors: ERR_INVALID_ARGUMENT (unknown name), ERR_NOT_SUPPORTED (this machine cannot run the table).
[[nodiscard]] Status use_kernels(std::string_view name);

/// Validates SPARSE_RERANK_KERNELS: kernels() cannot fail and ignores an invalid value, so the code that initializes the
/// process reports it. Same errors as use_kernels().
[[nodiscard]] Status check_kernels_environment();

}  // namespace sparse_rerank
