#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sparse_rerank {

/// Strings one after the other: string i is [offsets[i], offsets[i + 1]) of `bytes`.
struct StringsView {
  std::span<const std::uint32_t> offsets;
  std::span<const std::byte> bytes;

  [[nodiscard]] std::size_t size() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  [[nodiscard]] std::span<const std::byte> operator[](std::size_t i) const {
    return bytes.subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  [[nodiscard]] std::string_view text(std::size_t i) const {
    return {reinterpret_cast<const char*>(bytes.data()) + offsets[i], offsets[i + 1] - offsets[i]};
  }
  [[nodiscard]] std::vector<std::string_view> texts() const {
    std::vector<std::string_view> texts;
    texts.reserve(size());
    for (std::size_t i = 0; i < size(); ++i) texts.push_back(text(i));
    return texts;
  }
  /// Whether every string can be read.
  [[nodiscard]] bool valid() const {
    return !offsets.empty() && offsets.front() == 0 && offsets.back() == bytes.size() && std::is_sorted(offsets.begin(), offsets.end());
  }
};

}  // namespace sparse_rerank
