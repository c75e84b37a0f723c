#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "inference/sequence_groups.h"
#include "inference/sequences.h"

namespace sparse_rerank {

/// The inputs that a graph can have. A group has B sequences, the longest of L tokens; a padded group has S tokens per sequence, a packed
/// group T tokens in total.
enum class SessionInput : std::size_t {
  /// int64 [B, S], or [1, T] if packed; so are the token types and the positions of tokens in their sequences.
  kIds,
  kTokenTypes,
  kPositions,
  /// int64 [B, S]: 1 for tokens, 0 for padding.
  kMask,
  /// int32 [3 B + 2]: the number of tokens of each sequence; the offset of each sequence's queries and their total; the same for its keys.
  kKeyPadding,
  /// Like kKeyPadding, if only the first token of each sequence is a query.
  kFirstKeyPadding,
  /// int32 [B, S]: the offsets of all tokens in the equivalent padded group, then those of its padding.
  kTokenOffset,
  /// int32 [B + 1]: the offset of each packed sequence, then T.
  kBounds,
  /// int32 [kRowGroups, B, ceil(L / kRowGroups)]: the rows of all tokens, divided into groups; shorter sequences repeat their first row.
  kGroupedRows,
};

/// Indexed by SessionInput.
inline constexpr std::array<std::string_view, 9> kInputNames = {
    "input_ids",   "token_type_ids",    "position_ids", "attention_mask",
    "key_padding", "first_key_padding", "token_offset", "cumulative_sequence_length",
    "grouped_rows"};

inline constexpr std::size_t kRowGroups = 8;

std::optional<SessionInput> input_named(std::string_view name);

/// The layout of a graph's inputs: padded to the longest sequence, or packed, with the tokens of all sequences concatenated. The default
/// suits single sequences, which need neither.
struct GroupLayout {
  bool packed = false;
  /// Padded lengths are multiples of this, unless that exceeds max_length.
  std::size_t multiple = 1;
  /// The maximum number of tokens per sequence, including padding; 0 for no limit.
  std::size_t max_length = 0;
  /// The id of the padding token if positions start at that id plus 1 and padding tokens have that id as their position; otherwise
  /// positions start at 0.
  std::optional<std::int64_t> positions_after = std::nullopt;
};

/// One input of a run. Does not own its memory.
struct InputView {
  SessionInput input;
  bool is_int32;
  std::span<const std::byte> data;
  std::array<std::int64_t, 3> shape;
  std::size_t rank;
};

/// Builds the inputs of runs in memory that grows to the largest and is reused. Not thread-safe.
class GroupInputs {
 public:
  /// @param wanted the inputs of the graph
  /// @param group members of `sequences`, the longest first, none empty
  /// @return views that stay valid until the next call
  std::span<const InputView> fill(const GroupLayout& layout, std::span<const SessionInput> wanted, const Sequences& sequences,
                                  SequenceGroup group);

 private:
  std::array<std::vector<std::int64_t>, kInputNames.size()> wide_;
  std::array<std::vector<std::int32_t>, kInputNames.size()> narrow_;
  std::vector<InputView> views_;
};

}  // namespace sparse_rerank
