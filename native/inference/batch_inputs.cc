#include "inference/batch_inputs.h"

#include <algorithm>

namespace sparse_rerank {

namespace {

/// A group as a graph of some form sees it.
struct Layout {
  Layout(const BatchForm& form, const Sequences& all, BatchGroup members) : sequences(all), group(members), packed(form.packed) {
    const std::size_t longest = group.front().length;
    const std::size_t rounded = (longest + form.multiple - 1) / form.multiple * form.multiple;
    length = form.max_length == 0 ? rounded : std::max(longest, std::min(rounded, form.max_length));
    starts.reserve(group.size() + 1);
    for (const BatchMember& member : group) {
      starts.push_back(tokens);
      tokens += packed ? member.length : length;
    }
    starts.push_back(tokens);
  }

  /// Where the ids of member i begin in `sequences`.
  [[nodiscard]] std::size_t source(std::size_t i) const { return sequences.offsets[group[i].position]; }

  const Sequences& sequences;
  BatchGroup group;
  bool packed;
  std::size_t length = 0;
  /// Padding included where there is any.
  std::size_t tokens = 0;
  /// Where each member begins among them, and their number.
  std::vector<std::size_t> starts;
};

template <typename T>
std::span<const std::byte> fill_tokens(std::vector<T>& out, const Layout& layout, auto value) {
  out.assign(layout.tokens, 0);
  for (std::size_t i = 0; i < layout.group.size(); ++i) {
    for (std::size_t t = 0; t < layout.group[i].length; ++t) out[layout.starts[i] + t] = value(layout.source(i) + t, t);
  }
  return std::as_bytes(std::span(out));
}

void fill_positions(std::vector<std::int64_t>& out, const Layout& layout, std::optional<std::int64_t> after) {
  if (!after) {
    fill_tokens(out, layout, [](std::size_t, std::size_t t) { return static_cast<std::int64_t>(t); });
    return;
  }
  std::int64_t counted = 0;
  fill_tokens(out, layout, [&](std::size_t at, std::size_t t) {
    if (t == 0) counted = 0;
    return layout.sequences.ids[at] == *after ? *after : *after + ++counted;
  });
}

void fill_key_padding(std::vector<std::int32_t>& out, const Layout& layout, std::size_t queries) {
  out.clear();
  for (const BatchMember& member : layout.group) out.push_back(static_cast<std::int32_t>(member.length));
  for (const std::size_t step : {queries, layout.length}) {
    for (std::size_t i = 0; i <= layout.group.size(); ++i) out.push_back(static_cast<std::int32_t>(i * step));
  }
}

void fill_token_offset(std::vector<std::int32_t>& out, const Layout& layout) {
  out.clear();
  for (const bool padding : {false, true}) {
    for (std::size_t i = 0; i < layout.group.size(); ++i) {
      const std::size_t length = layout.group[i].length;
      for (std::size_t t = padding ? length : 0; t < (padding ? layout.length : length); ++t) {
        out.push_back(static_cast<std::int32_t>(i * layout.length + t));
      }
    }
  }
}

void fill_grouped_rows(std::vector<std::int32_t>& out, const Layout& layout, std::size_t per_group) {
  out.clear();
  for (std::size_t first = 0; first < kRowGroups; ++first) {
    for (std::size_t i = 0; i < layout.group.size(); ++i) {
      for (std::size_t j = 0; j < per_group; ++j) {
        const std::size_t t = j * kRowGroups + first;
        out.push_back(static_cast<std::int32_t>(layout.starts[i] + (t < layout.group[i].length ? t : 0)));
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

std::span<const InputView> BatchInputs::fill(const BatchForm& form, std::span<const SessionInput> wanted, const Sequences& sequences,
                                             BatchGroup group) {
  const Layout layout(form, sequences, group);
  const auto count = static_cast<std::int64_t>(group.size());
  const auto length = static_cast<std::int64_t>(layout.length);
  views_.clear();
  for (const SessionInput input : wanted) {
    std::vector<std::int64_t>& wide = wide_[static_cast<std::size_t>(input)];
    std::vector<std::int32_t>& narrow = narrow_[static_cast<std::size_t>(input)];
    const auto add = [&](const auto& values, std::array<std::int64_t, 3> shape, std::size_t rank) {
      views_.push_back({input, sizeof(values[0]) == sizeof(std::int32_t), std::as_bytes(std::span(values)), shape, rank});
    };
    const auto add_tokens = [&] {
      add(wide,
          layout.packed ? std::array<std::int64_t, 3>{1, static_cast<std::int64_t>(layout.tokens)}
                        : std::array{count, length, std::int64_t{0}},
          2);
    };
    switch (input) {
      case SessionInput::kIds:
        fill_tokens(wide, layout, [&](std::size_t at, std::size_t) { return sequences.ids[at]; });
        add_tokens();
        break;
      case SessionInput::kTokenTypes:
        fill_tokens(wide, layout, [&](std::size_t at, std::size_t) { return sequences.type_ids.empty() ? 0 : sequences.type_ids[at]; });
        add_tokens();
        break;
      case SessionInput::kPositions:
        fill_positions(wide, layout, form.positions_after);
        add_tokens();
        break;
      case SessionInput::kMask:
        fill_tokens(wide, layout, [](std::size_t, std::size_t) { return 1; });
        add_tokens();
        break;
      case SessionInput::kKeyPadding:
      case SessionInput::kFirstKeyPadding:
        fill_key_padding(narrow, layout, input == SessionInput::kKeyPadding ? layout.length : 1);
        add(narrow, {3 * count + 2}, 1);
        break;
      case SessionInput::kTokenOffset:
        fill_token_offset(narrow, layout);
        add(narrow, {count, length}, 2);
        break;
      case SessionInput::kBounds:
        narrow.assign(layout.starts.begin(), layout.starts.end());
        add(narrow, {count + 1}, 1);
        break;
      case SessionInput::kGroupedRows: {
        const std::size_t per_group = (group.front().length + kRowGroups - 1) / kRowGroups;
        fill_grouped_rows(narrow, layout, per_group);
        add(narrow, {static_cast<std::int64_t>(kRowGroups), count, static_cast<std::int64_t>(per_group)}, 3);
        break;
      }
    }
  }
  return views_;
}

}  // namespace sparse_rerank
