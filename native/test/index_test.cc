#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "index/inverted_index.h"
#include "test/sparse_rows_fixture.h"

namespace sparse_rerank {
namespace {

using Found = std::vector<std::pair<std::uint32_t, float>>;

/// The definition, without an index: every document against every query.
class NaiveIndex {
 public:
  void add(const TestRows& rows) {
    for (std::size_t i = 0; i < rows.view().rows(); ++i) {
      const SparseRow row = rows.view().row(i);
      std::map<std::uint32_t, float> document;
      for (std::size_t j = 0; j < row.indices.size(); ++j) document[row.indices[j]] = row.values[j];
      documents_.push_back({document, false});
    }
  }

  void remove(std::uint32_t slot) { documents_[slot].removed = true; }

  std::vector<std::uint32_t> compact() {
    std::vector<std::uint32_t> old_slots;
    std::vector<Document> left;
    for (std::uint32_t slot = 0; slot < documents_.size(); ++slot) {
      if (documents_[slot].removed) continue;
      old_slots.push_back(slot);
      left.push_back(documents_[slot]);
    }
    documents_ = left;
    return old_slots;
  }

  [[nodiscard]] Found search(const SparseRow& query, std::size_t k) const {
    Found found;
    for (std::uint32_t slot = 0; slot < documents_.size(); ++slot) {
      if (documents_[slot].removed) continue;
      float score = 0.0f;
      for (std::size_t i = 0; i < query.indices.size(); ++i) {
        const auto weight = documents_[slot].weights.find(query.indices[i]);
        if (weight != documents_[slot].weights.end()) score += query.values[i] * weight->second;
      }
      if (score != 0.0f && !std::isnan(score)) found.emplace_back(slot, score);
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.second > b.second || (a.second == b.second && a.first < b.first); });
    found.resize(std::min(k, found.size()));
    return found;
  }

 private:
  struct Document {
    std::map<std::uint32_t, float> weights;
    bool removed;
  };
  std::vector<Document> documents_;
};

Found search(const InvertedIndex& index, const SparseRow& query, std::size_t k) {
  SearchScratch scratch;
  std::vector<Hit> hits = {{7, 7.0f}};  // replaced
  EXPECT_FALSE(index.search(query.indices, query.values, k, scratch, hits, nullptr));
  Found found;
  for (const Hit& hit : hits) found.emplace_back(hit.slot, hit.score);
  return found;
}

Found search(const InvertedIndex& index, const std::vector<TestRows::Entry>& query, std::size_t k) {
  const TestRows rows = {query};
  return search(index, rows.view().row(0), k);
}

void add(InvertedIndex& index, const TestRows& rows) {
  const auto first = index.add(rows.view());
  ASSERT_TRUE(first.ok()) << first.error().message;
}

void expect_equal_searches(const InvertedIndex& index, const NaiveIndex& naive, const TestRows& queries) {
  for (std::size_t i = 0; i < queries.view().rows(); ++i) {
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{1000}, std::numeric_limits<std::size_t>::max()}) {
      ASSERT_EQ(search(index, queries.view().row(i), k), naive.search(queries.view().row(i), k)) << "query " << i << ", k " << k;
    }
  }
}

TEST(TopK, KeepsTheBestAndTheEarlierOfEquals) {
  TopK top;
  std::vector<Hit> out;
  std::mt19937 random(1);
  for (const std::size_t k : {1u, 2u, 7u, 64u, 500u}) {
    std::vector<Hit> all;
    top.reset(k);
    for (std::uint32_t slot = 0; slot < 300; ++slot) {
      const Hit hit = {slot, static_cast<float>(random() % 20) - 10.0f};
      all.push_back(hit);
      if (!top.full() || hit.score > top.worst()) top.push(hit);
    }
    std::sort(all.begin(), all.end(), BetterHit());
    all.resize(std::min<std::size_t>(k, 300));
    top.take(out);
    ASSERT_EQ(out.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(out[i].slot, all[i].slot) << "k " << k << ", rank " << i;
  }
}

TEST(Index, EqualsTheDefinitionOnRandomDocuments) {
  std::mt19937 random(2);
  for (const Terms terms : {Terms::kUniform, Terms::kSkewed}) {
    for (const bool positive : {true, false}) {
      InvertedIndex index(400);
      NaiveIndex naive;
      for (const std::size_t batch : {1u, 700u, 0u, 3u, 96u}) {
        const TestRows rows = random_rows(random, batch, 400, 40, terms, positive);
        add(index, rows);
        naive.add(rows);
      }
      expect_equal_searches(index, naive, random_rows(random, 20, 400, 30, terms, positive));
    }
  }
}

TEST(Index, BatchSizesAndBlockBoundariesDoNotShow) {
  std::mt19937 random(3);
  const std::size_t count = 2 * kBlockDocuments + 100;
  const TestRows rows = random_rows(random, count, 50, 3, Terms::kSkewed);
  const TestRows queries = random_rows(random, 3, 50, 5, Terms::kSkewed);
  NaiveIndex naive;
  naive.add(rows);
  const std::vector<std::vector<std::size_t>> plans = {
      {count},
      {kBlockDocuments - 1, 1, kBlockDocuments, 100},
      {kBlockDocuments - 1, 2, count - kBlockDocuments - 1},
      {10, kBlockDocuments, kBlockDocuments + 90},
  };
  for (const std::vector<std::size_t>& plan : plans) {
    InvertedIndex index(50);
    std::size_t next = 0;
    for (const std::size_t size : plan) {
      TestRows batch;
      for (std::size_t i = next; i < next + size; ++i) {
        const SparseRow row = rows.view().row(i);
        batch.indices.insert(batch.indices.end(), row.indices.begin(), row.indices.end());
        batch.values.insert(batch.values.end(), row.values.begin(), row.values.end());
        batch.indptr.push_back(static_cast<std::uint32_t>(batch.indices.size()));
      }
      const auto first = index.add(batch.view());
      ASSERT_TRUE(first.ok());
      EXPECT_EQ(first.value(), next);
      next += size;
    }
    EXPECT_EQ(next, count);
    expect_equal_searches(index, naive, queries);
    const IndexStats stats = index.stats();
    EXPECT_EQ(stats.documents, count);
    EXPECT_EQ(stats.postings, rows.indices.size());
    EXPECT_GE(stats.bytes, stats.postings * 8);
    EXPECT_LE(stats.bytes, stats.postings * 8 + 100000);
  }
}

TEST(Index, EqualScoresKeepInsertionOrderAcrossBlocks) {
  InvertedIndex index(2);
  TestRows rows;
  for (std::uint32_t i = 0; i < kBlockDocuments + 50; ++i) rows.push({{1, 2.0f}});
  add(index, rows);
  const Found found = search(index, {{1, 3.0f}}, kBlockDocuments + 10);
  ASSERT_EQ(found.size(), kBlockDocuments + 10);
  for (std::uint32_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], (std::pair<std::uint32_t, float>(i, 6.0f)));
}

TEST(Index, ABetterDocumentInALaterBlockDisplaces) {
  InvertedIndex index(2);
  TestRows rows;
  for (std::uint32_t i = 0; i < kBlockDocuments; ++i) rows.push({{1, 1.0f}});
  rows.push({{1, 1.5f}});
  add(index, rows);
  EXPECT_EQ(search(index, {{1, 2.0f}}, 2), (Found{{kBlockDocuments, 3.0f}, {0, 2.0f}}));
}

TEST(Index, NothingInNothingOut) {
  InvertedIndex index(10);
  EXPECT_TRUE(search(index, {{1, 1.0f}}, 5).empty());
  const auto first = index.add(TestRows().view());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value(), 0u);
  add(index, {{}, {{1, 1.0f}}, {}});
  EXPECT_EQ(index.stats().documents, 3u);
  EXPECT_EQ(index.stats().postings, 1u);
  EXPECT_TRUE(search(index, std::vector<TestRows::Entry>(), 5).empty());
  EXPECT_TRUE(search(index, {{1, 1.0f}}, 0).empty());
  EXPECT_TRUE(search(index, {{2, 1.0f}}, 5).empty());
  EXPECT_TRUE(search(index, {{4294967295u, 1.0f}}, 5).empty());
  EXPECT_EQ(search(index, {{1, 1.0f}, {2, 5.0f}}, 5), (Found{{1, 1.0f}}));
}

TEST(Index, ZeroScoresAreNoHits) {
  InvertedIndex index(4);
  const float tiny = std::numeric_limits<float>::denorm_min();
  add(index, {{{0, 0.0f}, {1, -0.0f}}, {{0, 1.0f}, {1, 1.0f}}, {{2, tiny}}, {{2, -1.0f}}});
  EXPECT_EQ(index.stats().postings, 4u);
  EXPECT_TRUE(search(index, {{0, 1.0f}, {1, -1.0f}}, 5).empty());  // cancels out
  EXPECT_TRUE(search(index, {{0, 0.0f}, {1, 0.0f}}, 5).empty());
  EXPECT_EQ(search(index, {{2, 0.25f}}, 5), (Found{{3, -0.25f}}));  // 0.25 * tiny underflows
  EXPECT_EQ(search(index, {{2, 1.0f}}, 5), (Found{{2, tiny}, {3, -1.0f}}));
  EXPECT_EQ(search(index, {{2, 1.0f}}, 1), (Found{{2, tiny}}));
}

TEST(Index, ZeroScoresDoNotDisplaceNegativeOnes) {
  InvertedIndex index(2);
  TestRows rows;
  for (int i = 0; i < 200; ++i) rows.push({{1, i % 100 == 0 ? -1.0f : 0.0f}});
  add(index, rows);
  EXPECT_EQ(search(index, {{1, 1.0f}}, 1), (Found{{0, -1.0f}}));
  EXPECT_EQ(search(index, {{1, 1.0f}}, 5), (Found{{0, -1.0f}, {100, -1.0f}}));
}

TEST(Index, HugeWeightsGiveInfinityAndNeverNan) {
  InvertedIndex index(4);
  add(index, {{{0, 3e38f}}, {{0, 3e38f}, {1, -3e38f}}, {{1, -3e38f}}, {{0, 1.0f}}});
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(search(index, {{0, 3e38f}, {1, 3e38f}}, 5), (Found{{0, infinity}, {3, 3e38f}, {2, -infinity}}));
}

TEST(Index, LongRows) {
  constexpr std::uint32_t kLength = 100000;
  InvertedIndex index(kLength);
  NaiveIndex naive;
  std::mt19937 random(4);
  TestRows rows;
  for (int i = 0; i < 3; ++i) {
    std::vector<TestRows::Entry> row;
    for (std::uint32_t term = 0; term < kLength; ++term) row.emplace_back(term, static_cast<float>(random() % 1000 + 1) / 999.0f);
    rows.push(row);
  }
  add(index, rows);
  naive.add(rows);
  expect_equal_searches(index, naive, rows);
}

TEST(Index, RefusesAWholeBatchForOneBadRow) {
  InvertedIndex index(4);
  add(index, {{{1, 1.0f}}});
  const IndexStats before = index.stats();
  const auto nan = index.add(TestRows{{{1, 1.0f}}, {{0, 1.0f}, {2, std::nanf("")}}}.view());
  ASSERT_FALSE(nan.ok());
  EXPECT_STREQ(nan.error().code, "ERR_INVALID_ARGUMENT");
  EXPECT_NE(nan.error().message.find("row 1, position 1"), std::string::npos);
  const auto beyond = index.add(TestRows{{{1, 1.0f}}, {{4, 1.0f}}}.view());
  ASSERT_FALSE(beyond.ok());
  EXPECT_STREQ(beyond.error().code, "ERR_DIMENSION_MISMATCH");
  EXPECT_EQ(search(index, {{1, 1.0f}}, 5), (Found{{0, 1.0f}}));
  EXPECT_EQ(index.stats().documents, before.documents);
  EXPECT_EQ(index.stats().postings, before.postings);
}

TEST(Index, RemovedDocumentsAreNoHits) {
  InvertedIndex index(4);
  add(index, {{{1, 3.0f}}, {{1, 2.0f}}, {{1, 1.0f}}});
  ASSERT_FALSE(index.remove(std::vector<std::uint32_t>{0}));
  ASSERT_FALSE(index.remove(std::vector<std::uint32_t>{0, 0}));
  EXPECT_EQ(index.stats().documents, 2u);
  EXPECT_EQ(index.stats().postings, 3u);
  EXPECT_EQ(search(index, {{1, 1.0f}}, 1), (Found{{1, 2.0f}}));
  const Status status = index.remove(std::vector<std::uint32_t>{1, 3});
  ASSERT_TRUE(status);
  EXPECT_STREQ(status->code, "ERR_INVALID_ARGUMENT");
  EXPECT_NE(status->message.find("slot 3"), std::string::npos);
  EXPECT_EQ(index.stats().documents, 2u);
  add(index, {{{1, 3.0f}}});
  EXPECT_EQ(search(index, {{1, 1.0f}}, 5), (Found{{3, 3.0f}, {1, 2.0f}, {2, 1.0f}}));
}

TEST(Index, CompactDropsRemovedDocumentsAndKeepsTheOrder) {
  std::mt19937 random(5);
  const TestRows queries = random_rows(random, 3, 50, 5, Terms::kSkewed);
  // Which documents stay: most, few (blocks merge), none of the first block, none at all.
  const std::vector<bool (*)(std::uint32_t)> plans = {
      [](std::uint32_t slot) { return slot % 7 != 0; },
      [](std::uint32_t slot) { return slot % 10 == 3; },
      [](std::uint32_t slot) { return slot >= kBlockDocuments + 5; },
      [](std::uint32_t) { return false; },
  };
  for (const auto stays : plans) {
    InvertedIndex index(50);
    NaiveIndex naive;
    const TestRows rows = random_rows(random, 2 * kBlockDocuments + 1000, 50, 3, Terms::kSkewed);
    add(index, rows);
    naive.add(rows);
    std::vector<std::uint32_t> removed;
    for (std::uint32_t slot = 0; slot < rows.view().rows(); ++slot) {
      if (!stays(slot)) removed.push_back(slot);
    }
    ASSERT_FALSE(index.remove(removed));
    for (const std::uint32_t slot : removed) naive.remove(slot);
    expect_equal_searches(index, naive, queries);
    const std::size_t bytes = index.stats().bytes;
    const auto old_slots = index.compact();
    ASSERT_TRUE(old_slots.ok());
    EXPECT_EQ(old_slots.value(), naive.compact());
    EXPECT_LT(index.stats().bytes, bytes);
    EXPECT_EQ(index.stats().documents, rows.view().rows() - removed.size());
    expect_equal_searches(index, naive, queries);
    const TestRows more = random_rows(random, 500, 50, 3, Terms::kSkewed);
    add(index, more);
    naive.add(more);
    expect_equal_searches(index, naive, queries);
  }
}

TEST(Index, CompactWithoutRemovedDocumentsIsTheIdentity) {
  InvertedIndex index(4);
  add(index, {{{1, 3.0f}}, {{1, 2.0f}}});
  const auto old_slots = index.compact();
  ASSERT_TRUE(old_slots.ok());
  EXPECT_EQ(old_slots.value(), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(search(index, {{1, 1.0f}}, 5), (Found{{0, 3.0f}, {1, 2.0f}}));
}

TEST(Index, SpareMemoryOfManySmallBatchesIsCountedAndBounded) {
  InvertedIndex index(100);
  std::mt19937 random(6);
  for (int i = 0; i < 3000; ++i) add(index, random_rows(random, 1, 100, 20, Terms::kUniform));
  const IndexStats stats = index.stats();
  EXPECT_GE(stats.bytes, stats.postings * 8);
  EXPECT_LE(stats.bytes, stats.postings * 12 + 20000);
}

TEST(Index, ACancelledSearchStops) {
  InvertedIndex index(4);
  add(index, {{{1, 1.0f}}});
  const std::vector<std::uint32_t> terms = {1};
  const std::vector<float> weights = {1.0f};
  SearchScratch scratch;
  std::vector<Hit> hits;
  std::atomic<bool> cancel = true;
  const Status status = index.search(terms, weights, 5, scratch, hits, &cancel);
  ASSERT_TRUE(status);
  EXPECT_STREQ(status->code, "ERR_ABORTED");
  cancel = false;
  EXPECT_FALSE(index.search(terms, weights, 5, scratch, hits, &cancel));
  EXPECT_EQ(hits.size(), 1u);
}

TEST(Index, SearchesSeeABatchWhollyOrNotAtAll) {
  constexpr std::size_t kBatch = 37;
  constexpr std::size_t kRounds = 60;
  InvertedIndex index(100);
  std::atomic<bool> done = false;
  std::atomic<std::size_t> searches = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      SearchScratch scratch;
      std::vector<Hit> hits;
      const std::vector<std::uint32_t> terms = {7};
      const std::vector<float> weights = {2.0f};
      while (!done.load()) {
        ASSERT_FALSE(index.search(terms, weights, 1 << 20, scratch, hits, nullptr));
        ASSERT_EQ(hits.size() % kBatch, 0u);
        for (std::size_t i = 1; i < hits.size(); ++i) ASSERT_LT(hits[i - 1].slot, hits[i].slot);
        ASSERT_LE(index.stats().documents, kBatch * kRounds);
        ++searches;
      }
    });
  }
  TestRows batch;
  for (std::size_t i = 0; i < kBatch; ++i) batch.push({{static_cast<std::uint32_t>(i % 7), 1.0f}, {7, 0.5f}, {50, 1.0f}});
  for (std::size_t round = 0; round < kRounds; ++round) {
    const auto first = index.add(batch.view());
    EXPECT_TRUE(first.ok());
    // Every state is searched at least once: nobody may keep the searches out, nor they the writer.
    for (const std::size_t seen = searches.load(); searches.load() == seen && !HasFailure();) std::this_thread::yield();
    if (round % 3 == 2) {
      std::vector<std::uint32_t> slots(kBatch);
      for (std::uint32_t i = 0; i < kBatch; ++i) slots[i] = first.value() + i;
      EXPECT_FALSE(index.remove(slots));
    }
    if (round % 10 == 9) {
      EXPECT_TRUE(index.compact().ok());
    }
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(index.stats().documents, kBatch * kRounds * 2 / 3);
}

}  // namespace
}  // namespace sparse_rerank
