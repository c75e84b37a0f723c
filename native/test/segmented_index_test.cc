#include "index/segmented_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "index/topk.h"
#include "kernels/kernels.h"
#include "test/index_fixture.h"

namespace sparse_rerank {
namespace {

TEST(TopK, KeepsTheBestAndTheEarlierOfEquals) {
  TopK top;
  std::vector<Hit> out;
  std::mt19937 random(1);
  for (const std::size_t k : {1u, 2u, 7u, 64u, 500u}) {
    std::vector<Hit> all;
    top.reset(k);
    // Every slot once, in no order.
    for (std::uint32_t i = 0; i < 300; ++i) {
      const std::uint32_t slot = i * 7 % 300;
      const Hit hit = {slot, static_cast<float>(random() % 20) - 10.0f};
      all.push_back(hit);
      top.offer(hit);
    }
    std::sort(all.begin(), all.end(), BetterHit());
    all.resize(std::min<std::size_t>(k, 300));
    top.take(out);
    ASSERT_EQ(out.size(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(out[i].slot, all[i].slot) << "k " << k << ", rank " << i;
  }
}

/// All kernel sets of this machine, one after the other; the one before comes back at the end.
class EachKernelSet {
 public:
  template <typename Run>
  void operator()(Run run) const {
    for (const KernelTable* table : available_kernels()) {
      SCOPED_TRACE(table->name);
      EXPECT_FALSE(use_kernels(table->name));
      run();
    }
    EXPECT_FALSE(use_kernels(before_));
  }

 private:
  std::string before_ = kernels().name;
};

TEST(Index, EqualsTheDefinitionOnRandomDocuments) {
  std::mt19937 random(2);
  for (const Terms terms : {Terms::kUniform, Terms::kSkewed}) {
    for (const bool positive : {true, false}) {
      for (const std::uint32_t dimension : {400u, 70000u}) {
        const auto index = SegmentedIndex::create(dimension);
        NaiveIndex naive;
        std::size_t next = 0;
        for (const std::size_t batch : {1u, 700u, 0u, 3u, 96u, 130u}) {
          const TestRows rows = random_rows(random, batch, dimension, 40, terms, positive);
          const auto ids = numbered(next, batch);
          add(*index, rows, ids);
          naive.add(rows, ids);
          // Half of the ids of the next batch are known.
          next += batch / 2;
        }
        const TestRows queries = random_rows(random, 10, dimension, 30, terms, positive);
        EachKernelSet()([&] { expect_equal_searches(*index, naive, queries); });
        const auto removed = numbered(20, 100);
        EXPECT_EQ(remove(*index, removed), naive.remove(removed));
        EXPECT_EQ(index->snapshot()->documents(), naive.size());
        expect_equal_searches(*index, naive, queries);
        merge(*index, true);
        EXPECT_EQ(index->stats().segments, 1u);
        EXPECT_EQ(index->stats().documents, naive.size());
        EachKernelSet()([&] { expect_equal_searches(*index, naive, queries); });
      }
    }
  }
}

/// Documents of a long and a short list of every form: masked, sparse, in whole and in begun groups.
TEST(Index, EveryListLengthAndGroupBoundary) {
  for (const std::uint32_t count : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 1000u}) {
    TestRows rows;
    for (std::uint32_t i = 0; i < count; ++i) {
      std::vector<TestRows::Entry> row;
      for (std::uint32_t term = 0; term < 40; ++term) {
        if (i % (term + 1) == 0) row.emplace_back(term, 1.0f + static_cast<float>((i * 37 + term) % 101));
      }
      rows.push(row);
    }
    const auto index = SegmentedIndex::create(40);
    NaiveIndex naive;
    add(*index, rows, numbered(0, count));
    naive.add(rows, numbered(0, count));
    TestRows queries;
    for (std::uint32_t term = 0; term < 40; ++term) queries.push({{term, 0.5f}});
    queries.push({{0, 1.0f}, {16, 2.0f}, {17, 0.25f}, {39, 1e-3f}});
    EachKernelSet()([&] { expect_equal_searches(*index, naive, queries); });
  }
}

TEST(Index, ManyChunks) {
  constexpr std::uint32_t kCount = 2 * kChunkDocuments + 100;
  const auto index = SegmentedIndex::create(50);
  TestRows rows;
  for (std::uint32_t i = 0; i < kCount; ++i) rows.push({{i % 7, 1.0f + static_cast<float>(i % 1000)}, {7, 1.0f}, {10 + i % 40, 0.5f}});
  add(*index, rows, numbered(0, kCount));
  EXPECT_EQ(index->snapshot()->segments[0].segment->chunks().size(), 3u);
  // All documents tie: the first come first, over all chunks.
  const Found ties = search(*index, {{7, 2.0f}}, kCount);
  ASSERT_EQ(ties.size(), kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(ties[i], (std::pair(std::to_string(i), 2.0f)));
  // The best of a term are spread over the chunks.
  const Found best = search(*index, {{3, 1.0f}}, 15);
  ASSERT_EQ(best.size(), 15u);
  for (const auto& [id, score] : best) {
    EXPECT_EQ(score, 1000.0f);
    EXPECT_EQ(std::stoul(id) % 1000, 999u);
  }
  EXPECT_LT(std::stoul(best[0].first), std::stoul(best[14].first));
  // Bounds are computed from documents that were removed, too.
  ASSERT_EQ(remove(*index, {best[0].first}), 1u);
  const Found after = search(*index, {{3, 1.0f}}, 14);
  EXPECT_EQ(after, Found(best.begin() + 1, best.end()));
}

TEST(Index, EqualScoresKeepInsertionOrderAcrossSegments) {
  const auto index = SegmentedIndex::create(2);
  NaiveIndex naive;
  for (std::size_t i = 0; i < 30; ++i) {
    const TestRows rows = {{{1, 2.0f}}, {{0, 1.0f}, {1, 2.0f}}};
    add(*index, rows, numbered(2 * i, 2));
    naive.add(rows, numbered(2 * i, 2));
  }
  const TestRows queries = {{{1, 3.0f}}, {{0, 1.0f}, {1, 3.0f}}};
  expect_equal_searches(*index, naive, queries);
  merge(*index);
  expect_equal_searches(*index, naive, queries);
}

TEST(Index, NothingInNothingOut) {
  const auto index = SegmentedIndex::create(10);
  EXPECT_TRUE(search(*index, {{1, 1.0f}}, 5).empty());
  add(*index, TestRows(), {});
  EXPECT_EQ(index->stats().segments, 0u);
  add(*index, {{}, {{1, 1.0f}}, {}}, {"a", "b", "c"});
  EXPECT_EQ(index->stats().documents, 3u);
  EXPECT_EQ(index->stats().postings, 1u);
  EXPECT_TRUE(search(*index, std::vector<TestRows::Entry>(), 5).empty());
  EXPECT_TRUE(search(*index, {{1, 1.0f}}, 0).empty());
  EXPECT_TRUE(search(*index, {{2, 1.0f}}, 5).empty());
  EXPECT_EQ(search(*index, {{1, 1.0f}, {2, 5.0f}}, 5), (Found{{"b", 1.0f}}));
  merge(*index, true);
  EXPECT_EQ(index->stats().documents, 3u);
  EXPECT_EQ(remove(*index, {"a", "b", "c", "d"}), 3u);
  merge(*index, true);
  EXPECT_EQ(index->stats().segments, 0u);
}

TEST(Index, ZeroScoresAreNoHits) {
  const auto index = SegmentedIndex::create(4);
  const float tiny = std::numeric_limits<float>::denorm_min();
  add(*index, {{{0, 0.0f}, {1, -0.0f}}, {{0, 1.0f}, {1, 1.0f}}, {{2, tiny}}, {{2, -1.0f}}}, numbered(0, 4));
  EXPECT_EQ(index->stats().postings, 4u);
  EXPECT_TRUE(search(*index, {{0, 1.0f}, {1, -1.0f}}, 5).empty());  // cancels out
  EXPECT_TRUE(search(*index, {{0, 0.0f}, {1, 0.0f}}, 5).empty());
  EXPECT_EQ(search(*index, {{2, 0.25f}}, 5), (Found{{"3", -0.25f}}));  // 0.25 * tiny underflows
  EXPECT_EQ(search(*index, {{2, 1.0f}}, 5), (Found{{"2", tiny}, {"3", -1.0f}}));
  EXPECT_EQ(search(*index, {{2, 1.0f}}, 1), (Found{{"2", tiny}}));
}

TEST(Index, TinyWeightsKeepTheirOrder) {
  const auto index = SegmentedIndex::create(3);
  NaiveIndex naive;
  TestRows rows;
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (int i = 0; i < 300; ++i)
    rows.push({{0, tiny * static_cast<float>(i + 1)}, {1, 1e-38f * static_cast<float>(i % 7 + 1)}, {2, 1e-20f}});
  add(*index, rows, numbered(0, 300));
  naive.add(rows, numbered(0, 300));
  expect_equal_searches(*index, naive, {{{0, 1.0f}}, {{0, 0.3f}, {1, 1.0f}}, {{1, 1e-7f}}, {{2, 1e-20f}}, {{0, tiny}, {2, 1e-25f}}});
}

TEST(Index, HugeWeightsGiveInfinityAndNeverNan) {
  const auto index = SegmentedIndex::create(4);
  add(*index, {{{0, 3e38f}}, {{0, 3e38f}, {1, -3e38f}}, {{1, -3e38f}}, {{0, 1.0f}}}, numbered(0, 4));
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(search(*index, {{0, 3e38f}, {1, 3e38f}}, 5), (Found{{"0", infinity}, {"3", 3e38f}, {"2", -infinity}}));

  const auto positive = SegmentedIndex::create(4);
  NaiveIndex naive;
  TestRows rows;
  for (int i = 0; i < 200; ++i) rows.push({{0, i % 3 == 0 ? 3e38f : 1e38f}, {1, 1e38f}, {2, static_cast<float>(i)}});
  add(*positive, rows, numbered(0, 200));
  naive.add(rows, numbered(0, 200));
  expect_equal_searches(*positive, naive,
                        {{{0, 2.0f}}, {{0, 0.5f}, {1, 1.0f}, {2, 1.0f}}, {{0, 1e-38f}, {2, 1.0f}}, {{0, 3e38f}, {1, 3e38f}}});
}

TEST(Index, LongRows) {
  constexpr std::uint32_t kLength = 100000;
  const auto index = SegmentedIndex::create(kLength);
  NaiveIndex naive;
  std::mt19937 random(4);
  TestRows rows;
  for (int i = 0; i < 3; ++i) {
    std::vector<TestRows::Entry> row;
    for (std::uint32_t term = 0; term < kLength; ++term) row.emplace_back(term, static_cast<float>(random() % 1000 + 1) / 999.0f);
    rows.push(row);
  }
  rows.push({{5, 1.0f}});
  add(*index, rows, numbered(0, 4));
  naive.add(rows, numbered(0, 4));
  expect_equal_searches(*index, naive, rows);
}

TEST(Index, RefusesAWholeBatchForOneBadRow) {
  const auto index = SegmentedIndex::create(4);
  add(*index, {{{1, 1.0f}}}, {"a"});
  const TestStrings ids({"b", "a"});
  const Status nan = index->add({TestRows{{{1, 1.0f}}, {{0, 1.0f}, {2, std::nanf("")}}}.view(), ids.view(), {}});
  ASSERT_TRUE(nan);
  EXPECT_STREQ(nan->code, "ERR_INVALID_ARGUMENT");
  EXPECT_NE(nan->message.find("row 1, position 1"), std::string::npos);
  const Status beyond = index->add({TestRows{{{1, 1.0f}}, {{4, 1.0f}}}.view(), ids.view(), {}});
  ASSERT_TRUE(beyond);
  EXPECT_STREQ(beyond->code, "ERR_DIMENSION_MISMATCH");
  EXPECT_EQ(search(*index, {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
  EXPECT_EQ(index->stats().documents, 1u);
}

TEST(Index, FindsOnlyWhatAFilterAllows) {
  std::mt19937 random(9);
  const auto index = SegmentedIndex::create(60);
  const TestRows rows = random_rows(random, 3000, 60, 20, Terms::kSkewed);
  add(*index, rows, numbered(0, 3000));
  add(*index, random_rows(random, 500, 60, 20, Terms::kSkewed), numbered(2900, 500));
  remove(*index, numbered(10, 5));
  const TestRows queries = random_rows(random, 10, 60, 8, Terms::kSkewed);
  const auto snapshot = index->snapshot();
  for (const std::size_t step : {1u, 2u, 64u, 700u, 5000u}) {
    std::vector<std::string> allowed = {"unknown"};
    for (std::size_t i = 0; i < 3400; i += step) allowed.push_back(std::to_string(i));
    const TestFilter filter({{FilterOperation::kIds, static_cast<std::uint32_t>(allowed.size())}}, allowed);
    const auto exclusions = snapshot->all_but(filter.view());
    ASSERT_TRUE(exclusions.ok());
    for (std::size_t i = 0; i < 10; ++i) {
      const SparseRow query = queries.view().row(i);
      Found expected = search(*index, query, 4000);
      std::erase_if(expected, [&](const auto& hit) { return std::stoul(hit.first) % step != 0; });
      for (const std::size_t k : {std::size_t{7}, std::size_t{4000}}) {
        SearchScratch scratch;
        std::vector<Hit> hits;
        ASSERT_FALSE(snapshot->search({query.indices, query.values}, {k}, exclusions.value(), scratch, hits, nullptr));
        EXPECT_EQ(found_of(*snapshot, hits),
                  Found(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(std::min(k, expected.size()))));
      }
    }
  }
}

TEST(Index, PruningLeavesFewRowsToScore) {
  std::mt19937 random(10);
  const auto index = SegmentedIndex::create(2000);
  add(*index, random_rows(random, 20000, 2000, 60, Terms::kSkewed), numbered(0, 20000));
  const TestRows query = random_rows(random, 1, 2000, 60, Terms::kSkewed);
  SearchScratch scratch;
  std::vector<Hit> hits;
  const auto snapshot = index->snapshot();
  ASSERT_FALSE(snapshot->search({query.indices, query.values}, {10}, snapshot->removed(), scratch, hits, nullptr));
  ASSERT_EQ(hits.size(), 10u);
  EXPECT_LT(scratch.rows_scored, 200u);
}

TEST(Index, ManySmallBatchesMergeIntoFewSegments) {
  const auto index = SegmentedIndex::create(100);
  NaiveIndex naive;
  std::mt19937 random(6);
  for (std::size_t i = 0; i < 600; ++i) {
    const TestRows rows = random_rows(random, 1, 100, 20, Terms::kUniform);
    add(*index, rows, numbered(i % 550, 1));
    naive.add(rows, numbered(i % 550, 1));
    merge(*index);
    ASSERT_LE(index->stats().segments, 30u);
  }
  EXPECT_EQ(index->stats().documents, 550u);
  expect_equal_searches(*index, naive, random_rows(random, 5, 100, 20, Terms::kUniform));
}

TEST(Index, ChangesDuringAMergeAreKept) {
  std::mt19937 random(7);
  for (const bool removes_all : {false, true}) {
    const auto index = SegmentedIndex::create(30);
    NaiveIndex naive;
    for (std::size_t i = 0; i < 3; ++i) {
      const TestRows rows = random_rows(random, 100, 30, 6, Terms::kUniform);
      add(*index, rows, numbered(100 * i, 100));
      naive.add(rows, numbered(100 * i, 100));
    }
    const auto change = [&](std::size_t round) {
      const TestRows rows = random_rows(random, 20, 30, 6, Terms::kUniform);
      add(*index, rows, numbered(30 * round, 20));
      naive.add(rows, numbered(30 * round, 20));
      const auto ids = removes_all ? numbered(0, 300) : numbered(25 * round + 3, 9);
      EXPECT_EQ(remove(*index, ids), naive.remove(ids));
    };
    std::size_t round = 0;
    MergeStep step = MergeStep::kMore;
    while (step == MergeStep::kMore) {
      const auto result = index->merge_step(true);
      ASSERT_TRUE(result.ok());
      step = result.value();
      change(round++);
      EXPECT_EQ(index->stats().documents, naive.size());
      expect_equal_searches(*index, naive, random_rows(random, 3, 30, 6, Terms::kUniform));
    }
    EXPECT_EQ(step, MergeStep::kMerged);
    EXPECT_GT(round, 3u);
  }
}

TEST(Index, ACancelledSearchStops) {
  const auto index = SegmentedIndex::create(4);
  for (const float weight : {1.0f, -1.0f}) {
    add(*index, {{{1, weight}}}, {"a"});
    const std::vector<std::uint32_t> terms = {1};
    const std::vector<float> weights = {1.0f};
    SearchScratch scratch;
    std::vector<Hit> hits;
    std::atomic<bool> cancel = true;
    const auto snapshot = index->snapshot();
    const Status status = snapshot->search({terms, weights}, {5}, snapshot->removed(), scratch, hits, &cancel);
    ASSERT_TRUE(status);
    EXPECT_STREQ(status->code, "ERR_ABORTED");
    cancel = false;
    EXPECT_FALSE(snapshot->search({terms, weights}, {5}, snapshot->removed(), scratch, hits, &cancel));
    EXPECT_EQ(hits.size(), 1u);
  }
}

TEST(Index, AClosedIndexRefusesChanges) {
  const auto index = SegmentedIndex::create(4);
  add(*index, {{{1, 1.0f}}}, {"a"});
  index->close();
  index->close();
  const TestStrings ids({"b"});
  const Status error = index->add({TestRows{{{1, 1.0f}}}.view(), ids.view(), {}});
  ASSERT_TRUE(error);
  EXPECT_STREQ(error->code, "ERR_DISPOSED");
  EXPECT_FALSE(index->remove(ids.view()).ok());
  EXPECT_FALSE(index->merge_step(true).ok());
  EXPECT_EQ(search(*index, {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
}

TEST(Index, SearchesSeeABatchWhollyOrNotAtAll) {
  constexpr std::size_t kBatch = 37;
  constexpr std::size_t kRounds = 60;
  const auto index = SegmentedIndex::create(100);
  std::atomic<bool> done = false;
  std::atomic<std::size_t> searches = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!done.load()) {
        const Found found = search(*index, {{7, 2.0f}}, 1 << 20);
        ASSERT_EQ(found.size() % kBatch, 0u);
        for (std::size_t i = 1; i < found.size(); ++i) ASSERT_LT(std::stoul(found[i - 1].first), std::stoul(found[i].first));
        ASSERT_LE(index->stats().documents, kBatch * kRounds);
        ++searches;
      }
    });
  }
  threads.emplace_back([&] {
    while (!done.load()) EXPECT_TRUE(index->merge_step(false).ok());
  });
  TestRows batch;
  for (std::size_t i = 0; i < kBatch; ++i) batch.push({{static_cast<std::uint32_t>(i % 7), 1.0f}, {7, 0.5f}, {50, 1.0f}});
  for (std::size_t round = 0; round < kRounds; ++round) {
    add(*index, batch, numbered(kBatch * round, kBatch));
    for (const std::size_t seen = searches.load(); searches.load() == seen && !testing::Test::HasFailure();) std::this_thread::yield();
    if (round % 3 == 2) {
      EXPECT_EQ(remove(*index, numbered(kBatch * round, kBatch)), kBatch);
    }
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(index->stats().documents, kBatch * kRounds * 2 / 3);
}

}  // namespace
}  // namespace sparse_rerank
