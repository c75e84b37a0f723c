#include "index/calibration.h"
#include "index/saved_copy.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "index/segment_format.h"
#include "kernels/kernels.h"
#include "test/index_fixture.h"

namespace sparse_rerank {
namespace {

constexpr std::size_t kDocuments = Calibration::kLeastDocuments + 1000;

std::shared_ptr<SegmentedIndex> index_of(const TestRows& rows, std::uint32_t dimension = 500) {
  auto index = SegmentedIndex::create(dimension);
  add(*index, rows, numbered(0, rows.view().rows()));
  return index;
}

std::shared_ptr<SegmentedIndex> random_index(Terms terms = Terms::kSkewed, bool positive = true) {
  std::mt19937 random(30);
  return index_of(random_rows(random, kDocuments, 500, 60, terms, positive));
}

const PruningLevel& exact_level() {
  static const PruningLevel level = {{}, 1.0f};
  return level;
}

PruningLevel level_of(const SegmentedIndex& index, double recall) {
  return index.snapshot()->segments[0].segment->level_for(recall);
}

bool operator==(const PruningLevel& a, const PruningLevel& b) {
  return a.pruning.share == b.pruning.share && a.pruning.threshold == b.pruning.threshold && a.recall == b.recall;
}

/// The part of the exact hits that approximate searches found; their scores are the exact ones.
double recall_of(const SegmentedIndex& index, const TestRows& queries, std::size_t k, double target) {
  std::size_t expected = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < queries.view().rows(); ++i) {
    const SparseRow query = queries.view().row(i);
    const Found all = search(index, query, std::numeric_limits<std::size_t>::max());
    const Found exact(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(k, all.size())));
    expected += exact.size();
    for (const auto& hit : search(index, query, k, target)) {
      EXPECT_NE(std::find(all.begin(), all.end(), hit), all.end()) << "a score that exact search does not give";
      found += static_cast<std::size_t>(std::count(exact.begin(), exact.end(), hit));
    }
  }
  return static_cast<double>(found) / static_cast<double>(expected);
}

TEST(Calibration, ReachesItsTargetOnOtherQueries) {
  for (const Terms terms : {Terms::kUniform, Terms::kSkewed}) {
    const auto index = random_index(terms);
    std::mt19937 random(31);
    const TestRows queries = random_rows(random, 60, 500, 15, terms);
    for (const double target : {0.8, 0.9, 0.95, 0.99}) {
      EXPECT_GE(recall_of(*index, queries, 10, target), target - 0.03) << "target " << target;
    }
    // Something is pruned at all.
    EXPECT_LT(level_of(*index, 0.8).recall, 1.0f);
    EXPECT_LT(recall_of(*index, queries, 10, 0.8), 1.0);
  }
}

TEST(Calibration, IsDeterministicAndTheSameForAllKernels) {
  const std::string before = kernels().name;
  std::mt19937 random(32);
  const TestRows queries = random_rows(random, 20, 500, 15, Terms::kSkewed);
  std::vector<Found> expected;
  const PruningLevel level = level_of(*random_index(), 0.9);
  for (const KernelTable* table : available_kernels()) {
    SCOPED_TRACE(table->name);
    ASSERT_FALSE(use_kernels(table->name));
    const auto index = random_index();
    EXPECT_TRUE(level_of(*index, 0.9) == level);
    std::vector<Found> found;
    for (std::size_t i = 0; i < queries.view().rows(); ++i) found.push_back(search(*index, queries.view().row(i), 10, 0.9));
    if (expected.empty()) expected = found;
    EXPECT_EQ(found, expected);
  }
  ASSERT_FALSE(use_kernels(before));
}

TEST(Calibration, EqualScoresAreFoundInInsertionOrder) {
  TestRows rows;
  for (std::size_t i = 0; i < kDocuments; ++i) rows.push({{1, 1.0f}, {2, 0.5f}});
  const auto index = index_of(rows);
  for (const double target : {0.1, 0.9}) {
    EXPECT_EQ(search(*index, {{1, 1.0f}, {2, 1.0f}}, 20), search(*index, TestRows{{{1, 1.0f}, {2, 1.0f}}}.view().row(0), 20, target));
  }
  // One step of it would score more rows than calibration may take.
  TestRows many;
  for (std::size_t i = 0; i < 100'000; ++i) many.push({{1, 1.0f}});
  EXPECT_TRUE(level_of(*index_of(many), 0.1) == exact_level());
}

TEST(Calibration, WhatIsSmallNegativeOrEmptyIsSearchedExactly) {
  std::mt19937 random(33);
  const auto small = index_of(random_rows(random, Calibration::kLeastDocuments - 1, 500, 30, Terms::kSkewed));
  const auto negative = random_index(Terms::kSkewed, false);
  const auto empty_rows = index_of(random_rows(random, kDocuments, 500, 0, Terms::kSkewed));
  const TestRows queries = random_rows(random, 10, 500, 15, Terms::kSkewed);
  for (const auto& index : {small, negative, empty_rows}) {
    EXPECT_TRUE(level_of(*index, 0.1) == exact_level());
    EXPECT_EQ(index->stats().reached[0], 1.0);
    for (std::size_t i = 0; i < queries.view().rows(); ++i) {
      EXPECT_EQ(search(*index, queries.view().row(i), 10, 0.1), search(*index, queries.view().row(i), 10));
    }
  }
  EXPECT_EQ(SegmentedIndex::create(5)->stats().reached[0], 1.0);
}

TEST(Calibration, StatsWeighSegmentsByTheirDocuments) {
  const auto index = random_index();
  const IndexStats stats = index->stats();
  for (std::size_t i = 0; i < kRecallTargets.size(); ++i) {
    EXPECT_EQ(stats.reached[i], static_cast<double>(level_of(*index, kRecallTargets[i]).recall));
    EXPECT_GE(stats.reached[i], kRecallTargets[i]);
  }
  ASSERT_LT(stats.reached[0], 1.0);
  std::mt19937 random(34);
  add(*index, random_rows(random, kDocuments / 2, 500, 30, Terms::kSkewed), numbered(kDocuments, kDocuments / 2));
  EXPECT_NEAR(index->stats().reached[0], (2.0 * stats.reached[0] + 1.0) / 3.0, 1e-9);
}

TEST(Calibration, IsKeptInFilesAndMergesMeasureAgain) {
  const TemporaryPath path;
  const auto index = random_index();
  ASSERT_FALSE(save_file(*index->snapshot(), path.get(), nullptr));
  const auto opened = SegmentedIndex::open(path.get(), {});
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_TRUE(level_of(*opened.value(), 0.9) == level_of(*index, 0.9));
  const TestRows query = {{{3, 1.0f}, {40, 0.5f}, {7, 0.25f}}};
  EXPECT_EQ(search(*opened.value(), query.view().row(0), 10, 0.8), search(*index, query.view().row(0), 10, 0.8));

  const TemporaryPath folder;
  const auto durable = SegmentedIndex::open(folder.get(), {500, false});
  ASSERT_TRUE(durable.ok()) << durable.error().message;
  std::mt19937 random(30);
  const TestRows rows = random_rows(random, kDocuments, 500, 60, Terms::kSkewed);
  add(*durable.value(), rows, numbered(0, kDocuments));
  EXPECT_TRUE(level_of(*durable.value(), 0.9) == level_of(*index, 0.9));
  EXPECT_EQ(remove(*durable.value(), {"5"}), 1u);
  merge(*durable.value(), true);
  EXPECT_EQ(durable.value()->stats().documents, kDocuments - 1);
  EXPECT_LT(level_of(*durable.value(), 0.8).recall, 1.0f);
}

TEST(Calibration, LevelsThatCannotBeAreRefused) {
  const TemporaryPath path;
  const auto index = random_index();
  ASSERT_FALSE(save_file(*index->snapshot(), path.get(), nullptr));
  std::fstream file(path.get(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(0, std::ios::end);
  const auto size = static_cast<std::size_t>(file.tellg());
  std::vector<char> bytes(size);
  file.seekg(0);
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  const float lie = 1.5f;
  SegmentTrailer trailer;
  std::memcpy(&trailer, bytes.data() + size - sizeof(trailer), sizeof(trailer));
  const std::size_t pages = (trailer.tail + kPageBytes - 1) / kPageBytes;
  std::memcpy(bytes.data() + trailer.tail + pages * sizeof(std::uint64_t) + sizeof(SegmentCounts), &lie, sizeof(lie));
  trailer.checksum = xxh64(std::as_bytes(std::span(bytes)).subspan(trailer.tail, size - sizeof(trailer) - trailer.tail));
  std::memcpy(bytes.data() + size - sizeof(trailer), &trailer, sizeof(trailer));
  file.seekp(0);
  file.write(bytes.data(), static_cast<std::streamsize>(size));
  file.close();
  const auto opened = SegmentedIndex::open(path.get(), {});
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("pruning level"), std::string::npos) << opened.error().message;
}

}  // namespace
}  // namespace sparse_rerank
