#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "index/sparse_rows.h"

namespace sparse_rerank {

/// Rows that own their memory.
struct TestRows {
  using Entry = std::pair<std::uint32_t, float>;

  std::vector<std::uint32_t> indptr = {0};
  std::vector<std::uint32_t> indices;
  std::vector<float> values;

  TestRows() = default;
  TestRows(std::initializer_list<std::vector<Entry>> rows) {
    for (const std::vector<Entry>& row : rows) push(row);
  }

  /// Entries in ascending order of their index.
  void push(const std::vector<Entry>& row) {
    for (const auto& [index, value] : row) {
      indices.push_back(index);
      values.push_back(value);
    }
    indptr.push_back(static_cast<std::uint32_t>(indices.size()));
  }

  [[nodiscard]] SparseRowsView view() const { return {indptr, indices, values}; }
};

/// How terms are drawn: evenly, or a few terms almost always (rank r with probability about 1 / r).
enum class Terms { kUniform, kSkewed };

/// Rows of up to `longest` distinct terms below `dimension`, values in [-1, 1) or, `positive`, in (0, 1].
inline TestRows random_rows(std::mt19937& random, std::size_t rows, std::uint32_t dimension, std::size_t longest, Terms terms,
                            bool positive = true) {
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  TestRows result;
  for (std::size_t i = 0; i < rows; ++i) {
    std::set<std::uint32_t> drawn;
    const std::size_t draws = random() % (longest + 1);
    for (std::size_t j = 0; j < draws; ++j) {
      const std::uint32_t bound = terms == Terms::kUniform ? dimension : 1 + static_cast<std::uint32_t>(random() % dimension);
      drawn.insert(static_cast<std::uint32_t>(random() % bound));
    }
    std::vector<TestRows::Entry> row;
    for (const std::uint32_t term : drawn) row.emplace_back(term, positive ? 1.0f - unit(random) : 2.0f * unit(random) - 1.0f);
    result.push(row);
  }
  return result;
}

}  // namespace sparse_rerank
