#include "index/filter.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "test/index_fixture.h"

namespace sparse_rerank {
namespace {

using Operation = FilterOperation;

/// What every document of an index has, by its id.
using Metadata = std::map<std::string, std::set<std::string>>;

constexpr std::uint32_t kDimension = 50;

/// Adds documents with random attributes: letters, of which some documents have none and the first is nearly everywhere.
void add_random(SegmentedIndex& index, Metadata& metadata, std::mt19937& random, std::size_t first, std::size_t count) {
  std::map<std::string, std::vector<std::uint32_t>> lists;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::set<std::string>& own = metadata[std::to_string(first + i)];
    own.clear();
    if (random() % 10 != 0) own.insert("a");
    for (std::size_t more = random() % 4; more > 0; --more)
      own.insert(std::string(1 + random() % 3, static_cast<char>('a' + random() % 26)));
    for (const std::string& name : own) lists[name].push_back(i);
  }
  TestAttributes attributes;
  // Descending: the index puts them in order.
  for (auto list = lists.rbegin(); list != lists.rend(); ++list) attributes.push(list->first, list->second);
  const TestRows rows = random_rows(random, count, kDimension, 15, Terms::kSkewed);
  const TestStrings ids(numbered(first, count));
  const Status error = index.add({rows.view(), ids.view(), {}, attributes.view()});
  ASSERT_FALSE(error) << error->message;
}

/// A random filter, and whether it lets a document pass.
struct RandomFilter {
  std::vector<FilterStep> steps;
  std::vector<std::string> strings;

  void grow(std::mt19937& random, int depth) {
    const auto kind = depth == 0 ? random() % 2 : random() % 5;
    const auto count = static_cast<std::uint32_t>(1 + random() % 3);
    if (kind == 0) {
      for (std::uint32_t i = 0; i < count; ++i) strings.push_back(std::to_string(random() % 700));
      steps.push_back({Operation::kIds, count});
    } else if (kind == 1) {
      for (std::uint32_t i = 0; i < count; ++i) {
        strings.emplace_back(1 + random() % 2, static_cast<char>('a' + random() % 26));
        strings.emplace_back(1 + random() % 2, static_cast<char>('a' + random() % 26));
      }
      steps.push_back({Operation::kRanges, count});
    } else if (kind == 2) {
      grow(random, depth - 1);
      steps.push_back({Operation::kNot, 1});
    } else {
      for (std::uint32_t i = 0; i < count; ++i) grow(random, depth - 1);
      steps.push_back({kind == 3 ? Operation::kAnd : Operation::kOr, count});
    }
  }

  [[nodiscard]] bool passes(const std::string& id, const std::set<std::string>& attributes) const {
    std::vector<bool> stack;
    std::size_t next = 0;
    for (const auto [operation, count] : steps) {
      if (operation == Operation::kNot) {
        stack.back() = !stack.back();
        continue;
      }
      bool result = operation == Operation::kAnd;
      for (std::uint32_t i = 0; i < count; ++i) {
        switch (operation) {
          case Operation::kIds:
            result = result || strings[next++] == id;
            break;
          case Operation::kRanges: {
            const auto from = attributes.lower_bound(strings[next]);
            result = result || (from != attributes.end() && *from < strings[next + 1]);
            next += 2;
            break;
          }
          case Operation::kAnd:
            result = result && stack.back();
            stack.pop_back();
            break;
          default:
            result = result || stack.back();
            stack.pop_back();
        }
      }
      stack.push_back(result);
    }
    return stack.back();
  }
};

void expect_filters_hold(const SegmentedIndex& index, const Metadata& metadata, std::mt19937& random) {
  const auto snapshot = index.snapshot();
  const TestRows queries = random_rows(random, 20, kDimension, 8, Terms::kSkewed);
  for (std::size_t i = 0; i < 20; ++i) {
    RandomFilter made;
    made.grow(random, 3);
    const TestFilter filter(made.steps, made.strings);
    ASSERT_TRUE(filter.view().valid());
    const auto exclusions = snapshot->all_but(filter.view());
    ASSERT_TRUE(exclusions.ok()) << exclusions.error().message;
    const SparseRow query = queries.view().row(i);
    Found expected = search(index, query, 5000);
    std::erase_if(expected, [&](const auto& hit) { return !made.passes(hit.first, metadata.at(hit.first)); });
    SearchScratch scratch;
    std::vector<Hit> hits;
    ASSERT_FALSE(snapshot->search({query.indices, query.values}, {5000}, exclusions.value(), scratch, hits, nullptr));
    EXPECT_EQ(found_of(*snapshot, hits), expected);
  }
}

TEST(Filter, EqualsTheDefinition) {
  const TemporaryPath folder;
  std::mt19937 random(40);
  Metadata metadata;
  {
    const auto opened = SegmentedIndex::open(folder.get(), {kDimension, false});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    SegmentedIndex& index = *opened.value();
    for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{0, 300}, {200, 250}, {440, 1}, {450, 130}}) {
      add_random(index, metadata, random, first, count);
    }
    // A segment without attributes, between others.
    const TestRows plain = random_rows(random, 70, kDimension, 15, Terms::kSkewed);
    add(index, plain, numbered(560, 70));
    for (const std::string& id : numbered(560, 70)) metadata[id].clear();
    add_random(index, metadata, random, 600, 50);
    EXPECT_EQ(remove(index, numbered(100, 50)), 50u);
    expect_filters_hold(index, metadata, random);
  }
  const auto reopened = SegmentedIndex::open(folder.get(), {});
  ASSERT_TRUE(reopened.ok()) << reopened.error().message;
  expect_filters_hold(*reopened.value(), metadata, random);
  merge(*reopened.value(), true);
  ASSERT_EQ(reopened.value()->stats().segments, 1u);
  expect_filters_hold(*reopened.value(), metadata, random);
  add_random(*reopened.value(), metadata, random, 620, 40);
  expect_filters_hold(*reopened.value(), metadata, random);
}

TEST(Filter, AttributesOfRemovedDocumentsGoWithAMerge) {
  const auto index = SegmentedIndex::create(kDimension);
  TestAttributes attributes;
  attributes.push("gone", {0});
  attributes.push("kept", {0, 2});
  const TestRows rows = {{{1, 1.0f}}, {{1, 2.0f}}, {{1, 3.0f}}};
  const TestStrings ids({"x", "y", "z"});
  ASSERT_FALSE(index->add({rows.view(), ids.view(), {}, attributes.view()}));
  EXPECT_EQ(remove(*index, {"x"}), 1u);
  merge(*index, true);
  const auto snapshot = index->snapshot();
  const Segment& segment = *snapshot->segments.front().segment;
  ASSERT_EQ(segment.attributes(), 1u);
  EXPECT_EQ(segment.attribute_name(0).value(), "kept");
  const auto documents = segment.attribute_documents(0).value();
  EXPECT_EQ(std::vector<std::uint32_t>(documents.begin(), documents.end()), std::vector<std::uint32_t>{1});
}

TEST(Filter, StepsThatDoNotFitAreInvalid) {
  const auto valid = [](std::vector<FilterStep> steps, const std::vector<std::string>& strings) {
    return TestFilter(std::move(steps), strings).view().valid();
  };
  EXPECT_TRUE(valid({{Operation::kIds, 0}}, {}));
  EXPECT_TRUE(valid({{Operation::kIds, 1}, {Operation::kRanges, 1}, {Operation::kAnd, 2}, {Operation::kNot, 1}}, {"a", "b", "c"}));
  EXPECT_FALSE(valid({}, {}));
  EXPECT_FALSE(valid({{Operation::kIds, 1}}, {}));
  EXPECT_FALSE(valid({{Operation::kIds, 1}}, {"a", "b"}));
  EXPECT_FALSE(valid({{Operation::kRanges, 0x80000000u}}, {}));
  EXPECT_FALSE(valid({{Operation::kNot, 1}}, {}));
  EXPECT_FALSE(valid({{Operation::kIds, 0}, {Operation::kOr, 2}}, {}));
  EXPECT_FALSE(valid({{Operation::kIds, 0}, {Operation::kAnd, 0}}, {}));
  EXPECT_FALSE(valid({{Operation::kIds, 0}, {Operation::kIds, 0}}, {}));
  EXPECT_FALSE(valid({{static_cast<Operation>(5), 0}}, {}));
}

}  // namespace
}  // namespace sparse_rerank
