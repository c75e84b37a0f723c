#include "inference/group_inputs.h"

#include <algorithm>

namespace sparse_rerank {

namespace {

/// The placement of a group's tokens in its inputs.
struct Placement {
  Placement(const GroupLayout& layout, const Sequences& all, SequenceGroup members)
      : sequences(all), group(members), packed(layout.packed) {
    const std::size_t longest = group.front().length;
    const std::size_t rounded = (longest + layout.multiple - 1) / layout.multiple * layout.multiple;
    length = layout.max_length == 0 ? rounded : std::max(longest, std::min(rounded, layout.max_length));
    starts.reserve(group.size() + 1);
    for (const GroupMember& member : group) {
      starts.push_back(tokens);
      tokens += packed ? member.length : length;
    }
    starts.push_back(tokens);
  }

  /// The offset of the ids of member i that are computed, in `sequences`.
  [[nodiscard]] std::size_t source(std::size_t i) const { return sequences.offsets[group[i].position] + group[i].kept; }

  const Sequences& sequences;
  SequenceGroup group;
  bool packed;
  std::size_t length = 0;
  /// Including padding.
  std::size_t tokens = 0;
  /// The offset of each member's first token, then the number of tokens.
  std::vector<std::size_t> starts;
};

template <typename T>
std::span<const std::byte> fill_tokens(std::vector<T>& out, const Placement& placement, auto value) {
  out.assign(placement.tokens, 0);
  for (std::size_t i = 0; i < placement.group.size(); ++i) {
    for (std::size_t t = 0; t < placement.group[i].length; ++t) out[placement.starts[i] + t] = value(placement.source(i) + t, t);
  }
  return std::as_bytes(std::span(out));
}

void fill_positions(std::vector<std::int64_t>& out, const Placement& placement, std::optional<std::int64_t> after) {
  if (!after) {
    fill_tokens(out, placement, [](std::size_t, std::size_t t) { return static_cast<std::int64_t>(t); });
    return;
  }
  std::int64_t counted = 0;
  fill_tokens(out, placement, [&](std::size_t at, std::size_t t) {
    if (t == 0) counted = 0;
    return placement.sequences.ids[at] == *after ? *after : *after + ++counted;
  });
}

void fill_key_padding(std::vector<std::int32_t>& out, const Placement& placement, std::size_t queries) {
  out.clear();
  for (const GroupMember& member : placement.group) out.push_back(static_cast<std::int32_t>(member.length));
  for (const std::size_t step : {queries, placement.length}) {
    for (std::size_t i = 0; i <= placement.group.size(); ++i) out.push_back(static_cast<std::int32_t>(i * step));
  }
}

void fill_token_offset(std::vector<std::int32_t>& out, const Placement& placement) {
  out.clear();
  for (const bool padding : {false, true}) {
    for (std::size_t i = 0; i < placement.group.size(); ++i) {
      const std::size_t length = placement.group[i].length;
      for (std::size_t t = padding ? length : 0; t < (padding ? placement.length : length); ++t) {
        out.push_back(static_cast<std::int32_t>(i * placement.length + t));
      }
    }
  }
}

void fill_grouped_rows(std::vector<std::int32_t>& out, const Placement& placement, std::size_t per_group) {
  out.clear();
  for (std::size_t first = 0; first < kRowGroups; ++first) {
    for (std::size_t i = 0; i < placement.group.size(); ++i) {
      for (std::size_t j = 0; j < per_group; ++j) {
        const std::size_t t = j * kRowGroups + first;
        out.push_back(static_cast<std::int32_t>(placement.starts[i] + (t < placement.group[i].length ? t : 0)));
      }
    }
  }
}

}  // namespace

std::optional<SessionInput> input_named(std::string_view name) {
  const auto* const known = std::find(kInputNames.begin(), kInputNames.end(), name);
  if (known == kInputNames.end()) return std::nullopt;
  return static_cast<SessionInput>(known - kInputNames.begin());
}

std::span<const InputView> GroupInputs::fill(const GroupLayout& layout, std::span<const SessionInput> wanted, const Sequences& sequences,
                                             SequenceGroup group) {
  const Placement placement(layout, sequences, group);
  const auto count = static_cast<std::int64_t>(group.size());
  const auto length = static_cast<std::int64_t>(placement.length);
  views_.clear();
  for (const SessionInput input : wanted) {
    std::vector<std::int64_t>& wide = wide_[static_cast<std::size_t>(input)];
    std::vector<std::int32_t>& narrow = narrow_[static_cast<std::size_t>(input)];
    const auto add = [&](const auto& values, std::array<std::int64_t, 3> shape, std::size_t rank) {
      views_.push_back({input, sizeof(values[0]) == sizeof(std::int32_t), std::as_bytes(std::span(values)), shape, rank});
    };
    const auto add_tokens = [&] {
      add(wide,
          placement.packed ? std::array<std::int64_t, 3>{1, static_cast<std::int64_t>(placement.tokens)}
                           : std::array{count, length, std::int64_t{0}},
          2);
    };
    switch (input) {
      case SessionInput::kIds:
        fill_tokens(wide, placement, [&](std::size_t at, std::size_t) { return sequences.ids[at]; });
        add_tokens();
        break;
      case SessionInput::kTokenTypes:
        fill_tokens(wide, placement, [&](std::size_t at, std::size_t) { return sequences.type_ids.empty() ? 0 : sequences.type_ids[at]; });
        add_tokens();
        break;
      case SessionInput::kPositions:
        fill_positions(wide, placement, layout.positions_after);
        add_tokens();
        break;
      case SessionInput::kMask:
        fill_tokens(wide, placement, [](std::size_t, std::size_t) { return 1; });
        add_tokens();
        break;
      case SessionInput::kKeyPadding:
      case SessionInput::kFirstKeyPadding:
        fill_key_padding(narrow, placement, input == SessionInput::kKeyPadding ? placement.length : 1);
        add(narrow, {3 * count + 2}, 1);
        break;
      case SessionInput::kTokenOffset:
        fill_token_offset(narrow, placement);
        add(narrow, {count, length}, 2);
        break;
      case SessionInput::kBounds:
        narrow.assign(placement.starts.begin(), placement.starts.end());
        add(narrow, {count + 1}, 1);
        break;
      case SessionInput::kGroupedRows: {
        const std::size_t per_group = (group.front().length + kRowGroups - 1) / kRowGroups;
        fill_grouped_rows(narrow, placement, per_group);
        add(narrow, {static_cast<std::int64_t>(kRowGroups), count, static_cast<std::int64_t>(per_group)}, 3);
        break;
      }
    }
  }
  return views_;
}

}  // namespace sparse_rerank
