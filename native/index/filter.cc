#include "index/filter.h"

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace sparse_rerank {

namespace {

Status add_id(const Segment& segment, std::string_view id, Bitmap& set) {
  const auto document = segment.find(id);
  if (!document) return document.error();
  if (const std::optional<std::uint32_t>& found = document.value()) set_bit(set, *found);
  return std::nullopt;
}

Status add_range(const Segment& segment, std::string_view first, std::string_view end, Bitmap& set) {
  const Result<std::size_t> begin = segment.find_attribute(first);
  if (!begin) return begin.error();
  for (std::size_t i = begin.value(); i < segment.attributes(); ++i) {
    const Result<std::string_view> name = segment.attribute_name(i);
    if (!name) return name.error();
    if (name.value() >= end) break;
    const auto documents = segment.attribute_documents(i);
    if (!documents) return documents.error();
    for (const std::uint32_t document : documents.value()) set_bit(set, document);
  }
  return std::nullopt;
}

/// Takes `count` sets and leaves one.
void combine(std::vector<Bitmap>& stack, std::uint32_t count, FilterOperation operation) {
  for (; count > 1; --count) {
    const Bitmap top = std::move(stack.back());
    stack.pop_back();
    Bitmap& below = stack.back();
    for (std::size_t i = 0; i < below.size(); ++i) below[i] = operation == FilterOperation::kAnd ? below[i] & top[i] : below[i] | top[i];
  }
}

}  // namespace

bool FilterView::valid() const {
  if (!strings.valid()) return false;
  std::uint64_t depth = 0;
  std::uint64_t taken = 0;
  for (const auto [operation, count] : steps) {
    switch (operation) {
      case FilterOperation::kIds:
        taken += count;
        ++depth;
        break;
      case FilterOperation::kRanges:
        taken += std::uint64_t{count} * 2;
        ++depth;
        break;
      case FilterOperation::kAnd:
      case FilterOperation::kOr:
        if (count == 0 || count > depth) return false;
        depth -= count - 1;
        break;
      case FilterOperation::kNot:
        if (depth == 0) return false;
        break;
      default:
        return false;
    }
  }
  return depth == 1 && taken == strings.size();
}

Result<Bitmap> matching(const Segment& segment, const FilterView& filter) {
  std::vector<Bitmap> stack;
  std::size_t next = 0;
  for (const auto [operation, count] : filter.steps) {
    switch (operation) {
      case FilterOperation::kIds: {
        Bitmap& set = stack.emplace_back(bitmap_words(segment.documents()));
        for (std::uint32_t i = 0; i < count; ++i, ++next) {
          if (Status error = add_id(segment, filter.strings.text(next), set)) return *std::move(error);
        }
        break;
      }
      case FilterOperation::kRanges: {
        Bitmap& set = stack.emplace_back(bitmap_words(segment.documents()));
        for (std::uint32_t i = 0; i < count; ++i, next += 2) {
          if (Status error = add_range(segment, filter.strings.text(next), filter.strings.text(next + 1), set)) return *std::move(error);
        }
        break;
      }
      case FilterOperation::kAnd:
      case FilterOperation::kOr:
        combine(stack, count, operation);
        break;
      case FilterOperation::kNot:
        for (std::uint64_t& word : stack.back()) word = ~word;
        break;
    }
  }
  return std::move(stack.back());
}

}  // namespace sparse_rerank
