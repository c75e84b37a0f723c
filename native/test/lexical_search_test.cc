#include "index/lexical_search.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "index/listing.h"
#include "index/matched_terms.h"
#include "kernels/kernels.h"
#include "test/lexical_fixture.h"

namespace sparse_rerank {
namespace {

constexpr std::uint32_t kVocabulary = 300;
constexpr Bm25 kDefault = {1.2, 0.75};

std::vector<TermCounts> random_queries(std::mt19937& random, std::size_t count) {
  std::vector<TermCounts> queries(count);
  for (TermCounts& query : queries) {
    for (std::size_t terms = 1 + random() % 6; terms > 0; --terms) ++query[zipf_term(random, kVocabulary)];
  }
  queries.push_back({{"absent", 1}});
  queries.push_back({{"absent", 1}, {"t0", 3}, {"t1", 1}});
  return queries;
}

void expect_equal(const SegmentedIndex& index, const NaiveBm25& naive, const std::vector<TermCounts>& queries) {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    Found expected = naive.search(queries[i], std::numeric_limits<std::size_t>::max());
    for (const std::size_t k : {std::numeric_limits<std::size_t>::max(), std::size_t{10}, std::size_t{1}}) {
      expected.resize(std::min(k, expected.size()));
      ASSERT_EQ(search_terms(index, queries[i], k), expected) << "query " << i << ", k " << k;
    }
  }
}

TEST(Lexical, EqualsTheDefinitionOnRandomDocuments) {
  std::mt19937 random(50);
  for (const Bm25& bm25 : {kDefault, Bm25{0.0, 0.0}, Bm25{0.9, 0.4}, Bm25{2.0, 1.0}, Bm25{1000.0, 1.0}, Bm25{1.2, 0.0}}) {
    const auto index = SegmentedIndex::create(IndexSettings{10, bm25});
    NaiveBm25 naive(bm25);
    const std::vector<TermCounts> queries = random_queries(random, 8);
    std::size_t next = 0;
    // Segments whose average lengths differ, so that bounds are stretched.
    for (const auto& [batch, longest] :
         std::vector<std::pair<std::size_t, std::size_t>>{{1, 5}, {700, 60}, {0, 1}, {3, 400}, {96, 8}, {130, 150}}) {
      const auto documents = random_documents(random, batch, kVocabulary, longest);
      const auto ids = numbered(next, batch);
      add(*index, documents, ids);
      naive.add(documents, ids);
      next += batch / 2;
      expect_equal(*index, naive, queries);
    }
    for (int round = 0; round < 3; ++round) {
      const auto gone = numbered(static_cast<std::size_t>(20 + 31 * round), 20);
      EXPECT_EQ(remove(*index, gone), naive.remove(gone));
      expect_equal(*index, naive, queries);
    }
    merge(*index, true);
    EXPECT_EQ(index->stats().segments, 1u);
    expect_equal(*index, naive, queries);
    // Removed after a merge, and everything in the end.
    EXPECT_EQ(remove(*index, numbered(0, 60)), naive.remove(numbered(0, 60)));
    expect_equal(*index, naive, queries);
    EXPECT_EQ(remove(*index, numbered(0, 1000)), naive.remove(numbered(0, 1000)));
    EXPECT_EQ(naive.size(), 0u);
    expect_equal(*index, naive, queries);
  }
}

TEST(Lexical, AllKernelsAgreeOverSeveralChunks) {
  const std::string before = kernels().name;
  std::mt19937 random(51);
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  NaiveBm25 naive(kDefault);
  const auto documents = random_documents(random, kChunkDocuments + 700, kVocabulary, 6);
  add(*index, documents, numbered(0, documents.size()));
  naive.add(documents, numbered(0, documents.size()));
  const std::vector<TermCounts> queries = random_queries(random, 2);
  for (const TermCounts& query : queries) {
    const Found expected = naive.search(query, 20);
    for (const KernelTable* table : available_kernels()) {
      ASSERT_FALSE(use_kernels(table->name));
      EXPECT_EQ(search_terms(*index, query, 20), expected) << table->name;
    }
  }
  ASSERT_FALSE(use_kernels(before));
}

TEST(Lexical, FiltersAreExact) {
  std::mt19937 random(52);
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  NaiveBm25 naive(kDefault);
  for (std::size_t batch = 0; batch < 3; ++batch) {
    const auto documents = random_documents(random, 300, kVocabulary, 40);
    add(*index, documents, numbered(batch * 300, 300));
    naive.add(documents, numbered(batch * 300, 300));
  }
  const auto gone = numbered(100, 250);
  EXPECT_EQ(remove(*index, gone), naive.remove(gone));
  const auto allowed = numbered(50, 300);
  const std::set<std::string> allowed_set(allowed.begin(), allowed.end());
  const TestFilter filter({{FilterOperation::kIds, 300}}, allowed);
  const FilterView view = filter.view();
  for (const TermCounts& query : random_queries(random, 10)) {
    EXPECT_EQ(search_terms(*index, query, 10, &view), naive.search(query, 10, &allowed_set));
  }
}

TEST(Lexical, DocumentsTellWhichTermsOfAQueryTheyHave) {
  std::mt19937 random(55);
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  std::vector<TermCounts> documents;
  for (std::size_t batch = 0; batch < 3; ++batch) {
    const auto more = random_documents(random, 60, kVocabulary, 40);
    add(*index, more, numbered(documents.size(), more.size()));
    documents.insert(documents.end(), more.begin(), more.end());
  }
  const std::vector<std::string_view> terms = {"t7", "absent", "t0", "t1", ""};
  const auto snapshot = index->snapshot();
  MatchedTerms matcher(*snapshot, terms);
  std::size_t total = 0;
  // Backwards, so that segments are not visited in their order.
  for (std::size_t i = documents.size(); i-- > 0;) {
    const auto location = snapshot->find(numbered(i, 1)[0]);
    ASSERT_TRUE(location.ok() && location.value());
    std::vector<std::uint8_t> matched(terms.size(), 9);
    ASSERT_FALSE(matcher.read(*location.value(), matched));
    for (std::size_t j = 0; j < terms.size(); ++j) {
      ASSERT_EQ(matched[j], documents[i].count(std::string(terms[j]))) << "document " << i << ", term " << j;
      total += matched[j];
    }
  }
  EXPECT_GT(total, 100u);
}

/// Bounds in the segment are never below the scores that statistics of today give, whatever their average length.
TEST(Lexical, StretchedImpactsBoundThoseOfAnyAverageLength) {
  std::mt19937 random(53);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (int round = 0; round < 200'000; ++round) {
    const Bm25 bm25 = {unit(random) * 3.0, unit(random)};
    const double reference = std::exp(unit(random) * 12.0 - 2.0);
    const double average = std::exp(unit(random) * 12.0 - 2.0);
    const auto count = 1 + static_cast<std::uint32_t>(random() % 50);
    const auto length = count + static_cast<std::uint32_t>(random() % 10'000);
    const double today = Bm25::impact(count, bm25.norm(length, average));
    const double bound = Bm25::impact(count, bm25.norm(length, reference)) * bm25.impact_ratio(average, reference);
    ASSERT_LE(today, bound * (1.0 + 1e-12)) << bm25.k1 << " " << bm25.b << " " << reference << " " << average;
  }
}

/// What is stored: no quantised weight stands for less than the impact that it was made of.
TEST(Lexical, QuantisedImpactsAreUpperBounds) {
  std::mt19937 random(54);
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  add(*index, random_documents(random, 1000, kVocabulary, 50), numbered(0, 1000));
  const SegmentTerms& lexical = *index->snapshot()->segments[0].segment->lexical();
  const auto chunks = lexical.chunks();
  ASSERT_TRUE(chunks.ok());
  std::vector<std::uint32_t> memory;
  std::vector<std::size_t> seen(lexical.terms());
  std::vector<std::vector<std::uint8_t>> weights(lexical.terms());
  for (std::uint32_t ordinal = 0; ordinal < lexical.terms(); ++ordinal) {
    const auto list = lexical.postings(chunks.value(), 0, ordinal);
    ASSERT_TRUE(list.ok());
    weights[ordinal].assign(list.value().weights.begin(), list.value().weights.end());
    EXPECT_EQ(weights[ordinal].size(), lexical.documents_with(ordinal).value());
  }
  for (std::uint32_t document = 0; document < 1000; ++document) {
    const auto row = lexical.row(document, memory);
    ASSERT_TRUE(row.ok());
    const double norm = kDefault.norm(row.value().length, lexical.average_length());
    for (std::size_t i = 0; i < row.value().terms.size(); ++i) {
      const std::uint32_t ordinal = row.value().terms[i];
      const double impact = Bm25::impact(row.value().counts[i], norm);
      const double largest = static_cast<double>(lexical.largest_impact(ordinal).value());
      const std::uint8_t quantised = weights[ordinal][seen[ordinal]++];
      EXPECT_GE(quantised * largest / 255.0, impact * (1.0 - 1e-12));
      EXPECT_LE((quantised - 1) * largest / 255.0, impact);
    }
  }
}

TEST(Lexical, StatisticsAreThoseOfLiveDocuments) {
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  add(*index, {{{"a", 2}, {"b", 1}}, {{"a", 1}}, {}}, {"0", "1", "2"});
  add(*index, {{{"b", 70'000}}, {{"c", 4'294'967'295u}, {"d", 9}}}, {"3", "4"});
  const auto statistics = [&] { return term_statistics(*index->snapshot(), {"a", "b", "c", "z"}).value(); };
  EXPECT_EQ(statistics().documents, 5u);
  EXPECT_EQ(statistics().having, (std::vector<std::uint64_t>{2, 2, 1, 0}));
  EXPECT_EQ(statistics().average_length, (3.0 + 1.0 + 70'000.0 + 4'294'967'295.0) / 5.0);
  EXPECT_EQ(remove(*index, {"4"}), 1u);
  EXPECT_EQ(statistics().average_length, 70'004.0 / 4.0);
  EXPECT_EQ(remove(*index, {"0"}), 1u);
  EXPECT_EQ(statistics().having, (std::vector<std::uint64_t>{1, 1, 0, 0}));
  EXPECT_EQ(statistics().average_length, 70'001.0 / 3.0);
  // Replaced by a document without terms.
  add(*index, std::vector<TermCounts>(1), {"3"});
  EXPECT_EQ(statistics().having, (std::vector<std::uint64_t>{1, 0, 0, 0}));
  EXPECT_EQ(statistics().average_length, 1.0 / 3.0);
  merge(*index, true);
  EXPECT_EQ(statistics().average_length, 1.0 / 3.0);
  // Terms of removed documents are gone.
  EXPECT_EQ(index->snapshot()->segments[0].segment->lexical()->terms(), 1u);
  EXPECT_EQ(search_terms(*index, {{"a", 1}}, 5).size(), 1u);
}

TEST(Lexical, OtherOnesNeedTermsAndMayNotHaveThem) {
  const auto lexical = SegmentedIndex::create(IndexSettings{10, kDefault});
  const auto plain = SegmentedIndex::create(10);
  const TestRows rows = small_rows(1);
  const TestStrings ids({"a"});
  const TestTerms terms({{{"x", 1}}});
  const auto code = [](const Status& error) { return error ? std::string(error->code) : "ok"; };
  EXPECT_EQ(code(lexical->add({rows.view(), ids.view(), {}})), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(code(plain->add({rows.view(), ids.view(), {}, {}, terms.view()})), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(code(lexical->add({rows.view(), ids.view(), {}, {}, TestTerms({{}, {}}).view()})), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(search_terms(*plain, {{"x", 1}}, 5), (Found{{"ERR_INVALID_ARGUMENT", 0.0f}}));
  const std::vector<std::function<void(TestTerms&)>> bad = {
      [](TestTerms& t) { t.indices[0] = 1; },
      [](TestTerms& t) { t.counts[0] = 0; },
      [](TestTerms& t) { t.counts.push_back(1); },
      [](TestTerms& t) { t.indptr = {}; },
      [](TestTerms& t) { t.indptr = {0, 2}; },
      [](TestTerms& t) { t.indptr = {1, 1}; },
      [](TestTerms& t) { t.indices = {0, 0}, t.counts = {1, 1}, t.indptr = {0, 2}; },
      [](TestTerms& t) { t.terms = TestStrings({"x", "y", "x"}); },
      [](TestTerms& t) { t.terms = TestStrings({std::string(65'536, 'x')}); },
      [](TestTerms& t) { t.terms.offsets = {0, 2}; },
      [](TestTerms& t) { t.terms.offsets = {0, 4'000'000'000u, 1}; },
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    TestTerms wrong({{{"x", 1}}});
    bad[i](wrong);
    EXPECT_EQ(code(lexical->add({rows.view(), ids.view(), {}, {}, wrong.view()})), "ERR_INVALID_ARGUMENT") << i;
  }
  EXPECT_EQ(lexical->stats().documents, 0u);
  // Terms of no row are fine, and longest ones.
  TestTerms spare({{{std::string(65'535, 'x'), 1}, {"", 1}}});
  spare.terms.bytes += "spare";
  spare.terms.offsets.push_back(static_cast<std::uint32_t>(spare.terms.bytes.size()));
  EXPECT_EQ(code(lexical->add({rows.view(), ids.view(), {}, {}, spare.view()})), "ok");
  EXPECT_EQ(search_terms(*lexical, {{std::string(65'535, 'x'), 1}}, 5).size(), 1u);
  EXPECT_EQ(search_terms(*lexical, {{"spare", 1}}, 5).size(), 0u);
}

TEST(Lexical, ChangesAreOneStep) {
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  add(*index, {{{"a", 1}}, {{"a", 1}}, {{"a", 1}}}, {"0", "1", "2"});
  const TestRows rows = small_rows(2);
  const TestStrings ids({"1", "3"});
  const TestTerms terms({{{"b", 1}}, {{"b", 2}}});
  const DocumentBatch batch = {rows.view(), ids.view(), {}, {}, terms.view()};
  const TestStrings gone({"0", "1", "0", "unknown"});
  const auto applied = index->apply(gone.view(), &batch);
  ASSERT_TRUE(applied.ok());
  // "1" was replaced.
  EXPECT_EQ(applied.value(), 1u);
  EXPECT_EQ(index->stats().documents, 3u);
  EXPECT_EQ(search_terms(*index, {{"a", 1}}, 5).size(), 1u);
  EXPECT_EQ(search_terms(*index, {{"b", 1}}, 5).size(), 2u);
  const TestFilter filter({{FilterOperation::kIds, 3}}, {"2", "3", "unknown"});
  const auto removed = index->remove_matching(filter.view());
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed.value(), 2u);
  EXPECT_EQ(index->stats().documents, 1u);
  EXPECT_EQ(index->remove_matching(filter.view()).value(), 0u);
}

TEST(Lexical, SearchesCanBeCancelled) {
  const auto index = SegmentedIndex::create(IndexSettings{10, kDefault});
  add(*index, {{{"a", 1}}}, {"0"});
  const auto snapshot = index->snapshot();
  const TestTerms query({{{"a", 1}}});
  SearchScratch scratch;
  std::vector<Hit> hits;
  const std::atomic<bool> cancelled = true;
  const Status error = search_terms(*snapshot, lexical_query(query.view(), 0), 3, snapshot->removed(), scratch, hits, &cancelled);
  ASSERT_TRUE(error);
  EXPECT_STREQ(error->code, "ERR_ABORTED");
}

}  // namespace
}  // namespace sparse_rerank
