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

/// What a graph can take of a group. B sequences, of which the longest has L tokens; padded, all have S; packed, there are T tokens in all.
enum class SessionInput : std::size_t {
  /// int64 [B, S], packed [1, T], like the token types and the positions of the tokens in their sequences.
  kIds,
  kTokenTypes,
  kPositions,
  /// int64 [B, S]: 1 for tokens, 0 for padding.
  kMask,
  /// int32 [3 B + 2]: tokens of each sequence; where the queries of each begin, and where all end; the same for its keys.
  kKeyPadding,
  /// The same where the first tokens alone are queries.
  kFirstKeyPadding,
  /// int32 [B, S]: where each token would stand if the group were padded, then where the padding would.
  kTokenOffset,
  /// int32 [B + 1]: where each packed sequence begins, and T.
  kBounds,
  /// int32 [kRowGroups, B, ceil(L / kRowGroups)]: the rows of all tokens, spread over groups; a shorter sequence repeats its first.
  kGroupedRows,
};

/// By SessionInput.
inline constexpr std::array<std::string_view, 9> kInputNames = {
    "input_ids",   "token_type_ids",    "position_ids", "attention_mask",
    "key_padding", "first_key_padding", "token_offset", "cumulative_sequence_length",
    "grouped_rows"};

inline constexpr std::size_t kRowGroups = 8;

std::optional<SessionInput> input_named(std::string_view name);

/// How a graph takes its groups: padded to the longest sequence, or packed, with the tokens of all sequences one after the other. By
/// default as for a lone sequence, which needs neither.
struct GroupLayout {
  bool packed = false;
  /// Padded lengths are multiples of this, as far as max_length allows.
  std::size_t multiple = 1;
  /// Tokens of a sequence at most, padding included; 0 where there is no limit.
  std::size_t max_length = 0;
  /// The id of the padding token where positions count from it plus 1 and padding tokens stay at it; else they count from 0.
  std::optional<std::int64_t> positions_after = std::nullopt;
};

/// One input of a run; the memory is somebody else's.
struct InputView {
  SessionInput input;
  bool is_int32;
  std::span<const std::byte> data;
  std::array<std::int64_t, 3> shape;
  std::size_t rank;
};

/// The inputs of one run after the other: memory that grows to the largest. Not thread-safe.
class GroupInputs {
 public:
  /// @param wanted inputs of the graph
  /// @param group positions in `sequences`, the longest first, none of them empty
  /// @return views that stay valid until the next call
  std::span<const InputView> fill(const GroupLayout& layout, std::span<const SessionInput> wanted, const Sequences& sequences,
                                  SequenceGroup group);

 private:
  std::array<std::vector<std::int64_t>, kInputNames.size()> wide_;
  std::array<std::vector<std::int32_t>, kInputNames.size()> narrow_;
  std::vector<InputView> views_;
};

}  // namespace sparse_rerank
