#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/segmented_index.h"
#include "test/sparse_rows_fixture.h"

namespace sparse_rerank {

/// Ids and scores, best first.
using Found = std::vector<std::pair<std::string, float>>;

/// Strings that own their memory.
struct TestStrings {
  std::vector<std::uint32_t> offsets = {0};
  std::string bytes;

  TestStrings() = default;
  explicit TestStrings(const std::vector<std::string>& strings) {
    for (const std::string& text : strings) {
      bytes += text;
      offsets.push_back(static_cast<std::uint32_t>(bytes.size()));
    }
  }
  [[nodiscard]] StringsView view() const { return {offsets, std::as_bytes(std::span(bytes))}; }
};

/// "first", "first + 1", …
inline std::vector<std::string> numbered(std::size_t first, std::size_t count) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(std::to_string(first + i));
  return ids;
}

/// A folder or file of a random name, removed at the end.
class TemporaryPath {
 public:
  TemporaryPath() {
    std::random_device random;
    path_ =
        (std::filesystem::temp_directory_path() / ("sparse-rerank-index-" + std::to_string(random()) + std::to_string(random()))).string();
  }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;
  ~TemporaryPath() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& get() const { return path_; }

 private:
  std::string path_;
};

/// Attributes that own their memory.
struct TestAttributes {
  TestStrings names;
  std::vector<std::uint32_t> offsets = {0};
  std::vector<std::uint32_t> documents;

  void push(const std::string& name, const std::vector<std::uint32_t>& of) {
    names.bytes += name;
    names.offsets.push_back(static_cast<std::uint32_t>(names.bytes.size()));
    documents.insert(documents.end(), of.begin(), of.end());
    offsets.push_back(static_cast<std::uint32_t>(documents.size()));
  }
  [[nodiscard]] AttributesView view() const { return {names.view(), offsets, documents}; }
};

/// A filter that owns its memory.
struct TestFilter {
  std::vector<FilterStep> steps;
  TestStrings strings;

  TestFilter(std::vector<FilterStep> made_of, const std::vector<std::string>& taken) : steps(std::move(made_of)), strings(taken) {}
  [[nodiscard]] FilterView view() const { return {steps, strings.view()}; }
};

inline void add(SegmentedIndex& index, const TestRows& rows, const std::vector<std::string>& ids) {
  const TestStrings strings(ids);
  const Status error = index.add({rows.view(), strings.view(), {}});
  ASSERT_FALSE(error) << error->message;
}

inline std::size_t remove(SegmentedIndex& index, const std::vector<std::string>& ids) {
  const auto count = index.remove(TestStrings(ids).view());
  EXPECT_TRUE(count.ok());
  return count.ok() ? count.value() : 0;
}

inline Found found_of(const Snapshot& snapshot, const std::vector<Hit>& hits) {
  Found found;
  for (const Hit& hit : hits) {
    const auto [segment, document] = snapshot.locate(hit.slot);
    const auto id = snapshot.segments[segment].segment->id(document);
    EXPECT_TRUE(id.ok());
    found.emplace_back(id.value(), hit.score);
  }
  return found;
}

inline Found search(const SegmentedIndex& index, const SparseRow& query, std::size_t k, double recall = 1.0) {
  SearchScratch scratch;
  std::vector<Hit> hits = {{7, 7.0f}};  // replaced
  const auto snapshot = index.snapshot();
  const Status error = snapshot->search({query.indices, query.values}, {k, recall}, snapshot->removed(), scratch, hits, nullptr);
  EXPECT_FALSE(error) << error->message;
  for (const float weight : scratch.dense) EXPECT_EQ(weight, 0.0f);
  return found_of(*snapshot, hits);
}

inline Found search(const SegmentedIndex& index, const std::vector<TestRows::Entry>& query, std::size_t k) {
  const TestRows rows = {query};
  return search(index, rows.view().row(0), k);
}

/// Merges until nothing is due.
inline void merge(SegmentedIndex& index, bool everything = false) {
  while (true) {
    const auto step = index.merge_step(everything);
    ASSERT_TRUE(step.ok()) << step.error().message;
    if (step.value() == MergeStep::kNothing) return;
  }
}

/// The definition, without an index: every document against every query.
class NaiveIndex {
 public:
  void add(const TestRows& rows, const std::vector<std::string>& ids) {
    remove(ids);
    for (std::size_t i = 0; i < rows.view().rows(); ++i) {
      const SparseRow row = rows.view().row(i);
      std::map<std::uint32_t, float> weights;
      for (std::size_t j = 0; j < row.indices.size(); ++j) weights[row.indices[j]] = row.values[j];
      documents_.emplace_back(ids[i], std::move(weights));
    }
  }

  std::size_t remove(const std::vector<std::string>& ids) {
    return std::erase_if(documents_, [&](const auto& document) { return std::find(ids.begin(), ids.end(), document.first) != ids.end(); });
  }

  [[nodiscard]] std::size_t size() const { return documents_.size(); }

  [[nodiscard]] Found search(const SparseRow& query, std::size_t k) const {
    Found found;
    for (const auto& [id, weights] : documents_) {
      float score = 0.0f;
      for (std::size_t i = 0; i < query.indices.size(); ++i) {
        const auto weight = weights.find(query.indices[i]);
        if (weight != weights.end()) score += query.values[i] * weight->second;
      }
      if (score != 0.0f && !std::isnan(score)) found.emplace_back(id, score);
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    found.resize(std::min(k, found.size()));
    return found;
  }

 private:
  std::vector<std::pair<std::string, std::map<std::uint32_t, float>>> documents_;
};

inline void expect_equal_searches(const SegmentedIndex& index, const NaiveIndex& naive, const TestRows& queries) {
  for (std::size_t i = 0; i < queries.view().rows(); ++i) {
    const SparseRow query = queries.view().row(i);
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{1000}, std::numeric_limits<std::size_t>::max()}) {
      ASSERT_EQ(search(index, query, k), naive.search(query, k)) << "query " << i << ", k " << k;
    }
  }
}

}  // namespace sparse_rerank
