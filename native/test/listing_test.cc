#include "index/listing.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "test/lexical_fixture.h"

namespace sparse_rerank {
namespace {

constexpr std::size_t kDocuments = 600;

/// Documents in several segments, with attributes "a0" to "a6" and "b0" to "b2", some removed. Each has vectors and terms.
struct Collection {
  std::shared_ptr<SegmentedIndex> index = SegmentedIndex::create(IndexSettings{40, Bm25{}});
  std::vector<std::string> ids;  // those that are there, in order
  std::map<std::string, std::set<std::string>> attributes;
  std::map<std::string, TermCounts> terms;
  std::map<std::string, std::map<std::uint32_t, float>> weights;

  explicit Collection(bool positive = true) {
    std::mt19937 random(70);
    for (std::size_t first = 0; first < kDocuments; first += 150) {
      const auto batch_ids = numbered(first, 150);
      const auto documents = random_documents(random, 150, 80, 12);
      const TestRows rows = random_rows(random, 150, 40, 8, Terms::kSkewed, positive);
      TestAttributes given;
      for (const auto& [letter, values] : std::map<char, std::uint32_t>{{'b', 3}, {'a', 7}}) {
        for (std::uint32_t value = values; value-- > 0;) {
          std::vector<std::uint32_t> of;
          for (std::uint32_t i = 0; i < 150; ++i) {
            if ((first + i) % values != value) continue;
            of.push_back(i);
            attributes[batch_ids[i]].insert(letter + std::to_string(value));
          }
          given.push(letter + std::to_string(value), of);
        }
      }
      for (std::size_t i = 0; i < 150; ++i) {
        terms[batch_ids[i]] = documents[i];
        const SparseRow row = rows.view().row(i);
        std::map<std::uint32_t, float>& own = weights[batch_ids[i]];
        for (std::size_t j = 0; j < row.indices.size(); ++j) own[row.indices[j]] = row.values[j];
      }
      const TestStrings strings(batch_ids);
      const TestTerms term_rows(documents);
      EXPECT_FALSE(index->add({rows.view(), strings.view(), {}, given.view(), term_rows.view()}));
      ids.insert(ids.end(), batch_ids.begin(), batch_ids.end());
    }
    for (const std::size_t first : {std::size_t{20}, std::size_t{140}, std::size_t{590}}) {
      const auto gone = numbered(first, 30);
      remove(*index, gone);
      std::erase_if(ids, [&](const std::string& id) { return std::find(gone.begin(), gone.end(), id) != gone.end(); });
    }
  }

  template <typename Passes>
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> facets(char letter, Passes passes) const {
    std::map<std::string, std::uint64_t> counts;
    for (const std::string& id : ids) {
      if (!passes(id)) continue;
      for (const std::string& attribute : attributes.at(id)) {
        if (attribute[0] == letter) ++counts[attribute];
      }
    }
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return sorted;
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> counted(const FacetRequest& request) const {
    SearchScratch scratch;
    const auto found = count_facets(*index->snapshot(), request, scratch, nullptr);
    EXPECT_TRUE(found.ok());
    std::vector<std::pair<std::string, std::uint64_t>> result;
    for (const Facet& facet : found.value()) result.emplace_back(facet.name, facet.count);
    for (const float weight : scratch.dense) EXPECT_EQ(weight, 0.0f);
    return result;
  }
};

bool has_remainder_two(const Collection& collection, const std::string& id) {
  return collection.attributes.at(id).contains("b2");
}

TEST(Listing, PagesAreTheInsertionOrder) {
  const Collection collection;
  const auto snapshot = collection.index->snapshot();
  const TestFilter filter({{FilterOperation::kRanges, 1}}, {"b2", "b3"});
  const FilterView view = filter.view();
  for (const FilterView* given : {static_cast<const FilterView*>(nullptr), &view}) {
    std::vector<std::string> expected;
    for (const std::string& id : collection.ids) {
      if (given == nullptr || has_remainder_two(collection, id)) expected.push_back(id);
    }
    EXPECT_EQ(count_documents(*snapshot, given, nullptr).value(), expected.size());
    std::vector<std::string> listed;
    std::optional<std::string> after;
    while (true) {
      const auto page = list_documents(*snapshot, given, after, 37, nullptr);
      ASSERT_TRUE(page.ok());
      if (page.value().empty()) break;
      for (const auto& [segment, document] : page.value()) listed.emplace_back(snapshot->segments[segment].segment->id(document).value());
      after = listed.back();
    }
    EXPECT_EQ(listed, expected);
    EXPECT_TRUE(list_documents(*snapshot, given, std::nullopt, 0, nullptr).value().empty());
  }
  const auto unknown = list_documents(*snapshot, nullptr, "no such", 5, nullptr);
  ASSERT_FALSE(unknown.ok());
  EXPECT_STREQ(unknown.error().code, "ERR_INVALID_ARGUMENT");
  const std::atomic<bool> cancelled = true;
  EXPECT_STREQ(list_documents(*snapshot, nullptr, std::nullopt, 5, &cancelled).error().code, "ERR_ABORTED");
  EXPECT_STREQ(count_documents(*snapshot, &view, &cancelled).error().code, "ERR_ABORTED");
}

TEST(Facets, CountAllThatPassAndAreHits) {
  for (const bool positive : {true, false}) {
    const Collection collection(positive);
    EXPECT_EQ(collection.counted({"a", 100}), collection.facets('a', [](const auto&) { return true; }));
    EXPECT_EQ(collection.counted({"b", 100}), collection.facets('b', [](const auto&) { return true; }));
    EXPECT_EQ(collection.counted({"c", 100}), collection.facets('c', [](const auto&) { return true; }));
    EXPECT_EQ(collection.counted({"", 100}).size(), 10u);
    const TestFilter filter({{FilterOperation::kRanges, 1}}, {"b2", "b3"});
    const FilterView view = filter.view();
    const TermCounts words = {{"t3", 1}, {"t8", 2}, {"absent", 1}};
    const TestTerms term_rows({words});
    const std::vector<std::uint32_t> terms = {2, 5, 11};
    const std::vector<float> weights = {0.5f, positive ? 1.0f : -1.0f, 2.0f};
    const SparseQuery query = {terms, weights};
    const auto has_word = [&](const std::string& id) {
      return std::any_of(words.begin(), words.end(), [&](const auto& word) { return collection.terms.at(id).contains(word.first); });
    };
    const auto is_hit = [&](const std::string& id) {
      float score = 0.0f;
      for (std::size_t i = 0; i < terms.size(); ++i) {
        const auto own = collection.weights.at(id).find(terms[i]);
        if (own != collection.weights.at(id).end()) score += weights[i] * own->second;
      }
      return score != 0.0f;
    };
    FacetRequest request = {"a", 100, &view};
    EXPECT_EQ(collection.counted(request), collection.facets('a', [&](const auto& id) { return has_remainder_two(collection, id); }));
    request.query = query;
    const auto expected = collection.facets('a', [&](const auto& id) { return has_remainder_two(collection, id) && is_hit(id); });
    EXPECT_EQ(collection.counted(request), expected);
    request.limit = 2;
    EXPECT_EQ(collection.counted(request), (std::vector(expected.begin(), expected.begin() + 2)));
    request.limit = 100;
    request.terms = lexical_query(term_rows.view(), 0);
    EXPECT_EQ(collection.counted(request),
              collection.facets('a', [&](const auto& id) { return has_remainder_two(collection, id) && (is_hit(id) || has_word(id)); }));
    request.query.reset();
    request.filter = nullptr;
    EXPECT_EQ(collection.counted(request), collection.facets('a', has_word));
    SearchScratch scratch;
    const std::atomic<bool> cancelled = true;
    EXPECT_STREQ(count_facets(*collection.index->snapshot(), request, scratch, &cancelled).error().code, "ERR_ABORTED");
    const auto plain = SegmentedIndex::create(40);
    EXPECT_STREQ(count_facets(*plain->snapshot(), request, scratch, nullptr).error().code, "ERR_INVALID_ARGUMENT");
  }
}

/// Wholes of one to four rows over two segments, some removed: each counts once, whichever of its rows are hits.
TEST(Facets, RowsOfOneWholeCountOnce) {
  std::mt19937 random(71);
  const auto index = SegmentedIndex::create(4);
  std::uint64_t with_hit = 0;
  std::uint64_t there = 0;
  std::vector<std::string> gone;
  for (std::size_t first = 0; first < 2; ++first) {
    TestRows rows;
    std::vector<std::string> names;
    std::vector<std::uint32_t> heads;
    std::vector<std::uint32_t> all;
    for (std::size_t whole = 0; whole < 300; ++whole) {
      const bool is_removed = random() % 5 == 0;
      bool any = false;
      heads.push_back(static_cast<std::uint32_t>(names.size()));
      for (std::size_t row = 0, count = 1 + random() % 4; row < count; ++row) {
        const bool hit = random() % 3 == 0;
        any = any || hit;
        rows.push({{hit ? 1u : 2u, 1.0f}});
        all.push_back(static_cast<std::uint32_t>(names.size()));
        names.push_back(std::to_string(first) + "-" + std::to_string(whole) + "-" + std::to_string(row));
        if (is_removed) gone.push_back(names.back());
      }
      if (is_removed) continue;
      ++there;
      if (any) ++with_hit;
    }
    TestAttributes attributes;
    attributes.push("all", all);
    attributes.push("head", heads);
    const TestStrings strings(names);
    ASSERT_FALSE(index->add({rows.view(), strings.view(), {}, attributes.view()}));
  }
  remove(*index, gone);
  const std::vector<std::uint32_t> terms = {1};
  const std::vector<float> weights = {1.0f};
  SearchScratch scratch;
  const auto count = [&](FacetRequest request) {
    const auto counted = count_facets(*index->snapshot(), request, scratch, nullptr);
    EXPECT_TRUE(counted.ok());
    return counted.value().empty() ? 0 : counted.value()[0].count;
  };
  FacetRequest request = {"all", 5};
  request.heads = "head";
  EXPECT_EQ(count(request), there);
  request.query = SparseQuery{terms, weights};
  EXPECT_EQ(count(request), with_hit);
  for (const std::string_view other : {"hea", "heads", "zzz", ""}) {
    request.heads = other;
    EXPECT_EQ(count(request), 0u) << other;
  }
}

/// Weights so small that some products underflow to zero: such documents are no hits.
TEST(Facets, ProductsThatUnderflowAreNoHits) {
  const auto index = SegmentedIndex::create(4);
  TestRows rows;
  TestAttributes attributes;
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < 100; ++i) {
    rows.push({{1, i % 2 == 0 ? 1e-30f : 1.0f}});
    all.push_back(i);
  }
  attributes.push("x", all);
  const TestStrings ids(numbered(0, 100));
  ASSERT_FALSE(index->add({rows.view(), ids.view(), {}, attributes.view()}));
  const std::vector<std::uint32_t> terms = {1};
  SearchScratch scratch;
  for (const auto& [weight, expected] : std::vector<std::pair<float, std::uint64_t>>{{1.0f, 100}, {1e-20f, 50}, {1e-40f, 50}}) {
    const std::vector<float> weights = {weight};
    FacetRequest request = {"x", 5};
    request.query = SparseQuery{terms, weights};
    const auto counted = count_facets(*index->snapshot(), request, scratch, nullptr);
    ASSERT_TRUE(counted.ok());
    ASSERT_EQ(counted.value().size(), 1u);
    EXPECT_EQ(counted.value()[0].count, expected) << weight;
  }
}

TEST(Facets, ManyNamesKeepTheBest) {
  const auto index = SegmentedIndex::create(4);
  TestRows rows;
  TestAttributes attributes;
  std::vector<std::pair<std::string, std::uint64_t>> expected;
  for (std::uint32_t i = 0; i < 2000; ++i) rows.push({{1, 1.0f}});
  for (std::uint32_t name = 0; name < 300; ++name) {
    std::vector<std::uint32_t> of;
    for (std::uint32_t i = 0; i < 1 + (name * 37) % 50; ++i) of.push_back(name + i * 20);
    attributes.push(std::string("x") + std::to_string(name), of);
    expected.emplace_back(std::string("x") + std::to_string(name), of.size());
  }
  const TestStrings ids(numbered(0, 2000));
  ASSERT_FALSE(index->add({rows.view(), ids.view(), {}, attributes.view()}));
  std::sort(expected.begin(), expected.end(),
            [](const auto& a, const auto& b) { return a.second > b.second || (a.second == b.second && a.first < b.first); });
  SearchScratch scratch;
  for (const std::size_t limit : {0u, 1u, 7u, 299u, 300u, 1000u}) {
    const auto counted = count_facets(*index->snapshot(), {"x", limit}, scratch, nullptr);
    ASSERT_TRUE(counted.ok());
    ASSERT_EQ(counted.value().size(), std::min<std::size_t>(limit, 300));
    for (std::size_t i = 0; i < counted.value().size(); ++i) {
      EXPECT_EQ(counted.value()[i].name, expected[i].first);
      EXPECT_EQ(counted.value()[i].count, expected[i].second);
    }
  }
}

}  // namespace
}  // namespace sparse_rerank
