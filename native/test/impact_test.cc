#include "index/impact_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "index/calibration.h"
#include "index/segment_footer.h"
#include "index/segment_merge.h"
#include "test/index_file_fixture.h"

namespace sparse_rerank {
namespace {

constexpr std::uint32_t kDimension = 300;
/// Lists of every term are cut, and rows pass several times.
constexpr ImpactBounds kCut = {1, 40, 1000};
constexpr ImpactBounds kWhole = {1, 1u << 20, 1u << 24};

std::shared_ptr<const Segment> build(const TestRows& rows, const ImpactBounds& bounds, const std::string& path = "") {
  const auto index = SegmentedIndex::create(kDimension);
  add(*index, rows, numbered(0, rows.view().rows()));
  MergedRows source(index->snapshot()->segments);
  auto built = build_segment(source, {kDimension, std::nullopt}, path, bounds);
  EXPECT_TRUE(built.ok());
  return built.value();
}

TestRows documents(std::size_t count, bool positive = true) {
  std::mt19937 random(50);
  return random_rows(random, count, kDimension, 60, Terms::kSkewed, positive);
}

TestRows queries(std::size_t count) {
  std::mt19937 random(51);
  return random_rows(random, count, kDimension, 20, Terms::kSkewed);
}

Snapshot snapshot_of(std::shared_ptr<const Segment> segment) {
  return {{kDimension, std::nullopt}, {{std::move(segment), nullptr, 0, 0}}};
}

std::vector<Hit> found(const Snapshot& snapshot, const SparseRow& query, const Wanted& wanted, const Exclusions& exclusions) {
  SearchScratch scratch;
  std::vector<Hit> hits;
  EXPECT_FALSE(snapshot.search({query.indices, query.values}, wanted, exclusions, scratch, hits, nullptr));
  for (const std::uint16_t sum : scratch.sums) EXPECT_EQ(sum, 0u);
  return hits;
}

bool same(const std::vector<Hit>& a, const std::vector<Hit>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Hit& one, const Hit& other) { return one.slot == other.slot && one.score == other.score; });
}

/// search_impacts() alone; nothing where it hands the search on.
std::optional<std::vector<Hit>> by_impacts(const Segment& segment, const SparseRow& query, const ImpactLevel& level, std::size_t k,
                                           const Bitmap* excluded = nullptr) {
  SearchScratch scratch;
  const SparseQuery sparse = {query.indices, query.values};
  const DenseQuery dense(sparse, segment.dense_size(), scratch.dense);
  scratch.top.reset(k);
  const auto searched = search_impacts({segment, 0, excluded == nullptr ? nullptr : excluded->data()}, sparse, level, scratch, nullptr);
  EXPECT_TRUE(searched.ok());
  std::vector<Hit> hits;
  scratch.top.take(hits);
  if (!searched.value()) {
    EXPECT_TRUE(hits.empty()) << "what is handed on offers nothing";
    return std::nullopt;
  }
  return hits;
}

TEST(ImpactLists, HoldTheLargestWeightsOfEachTerm) {
  const TestRows rows = documents(700, false);
  std::map<std::uint32_t, std::vector<std::pair<float, std::uint32_t>>> terms;
  for (std::uint32_t i = 0; i < 700; ++i) {
    const SparseRow row = rows.view().row(i);
    for (std::size_t j = 0; j < row.indices.size(); ++j) {
      if (row.values[j] > 0.0f) terms[row.indices[j]].emplace_back(row.values[j], i);
    }
  }
  for (const ImpactBounds& bounds : {kCut, kWhole}) {
    const auto segment = build(rows, bounds);
    ASSERT_TRUE(segment->has_impacts());
    std::size_t cut = 0;
    for (const auto& [term, postings] : terms) {
      const float largest = std::max_element(postings.begin(), postings.end())->first;
      std::vector<std::pair<int, std::uint32_t>> expected;
      for (const auto& [weight, document] : postings) {
        expected.emplace_back(-std::min(255, static_cast<int>(std::ceil(weight * (255.0 / largest)))), document);
      }
      std::sort(expected.begin(), expected.end());
      if (expected.size() > bounds.list_length) {
        expected.resize(bounds.list_length);
        ++cut;
      }
      const auto found_term = segment->find_term(term);
      const auto list = segment->impacts(found_term.value()->ordinal);
      ASSERT_TRUE(list.ok());
      std::vector<std::pair<int, std::uint32_t>> read;
      std::uint32_t last = 256;
      for (const std::uint32_t run : list.value().runs) {
        ASSERT_LT(run & 0xff, last);
        ASSERT_GT(run >> 8, 0u);
        last = run & 0xff;
        for (std::uint32_t i = 0; i < run >> 8; ++i) {
          read.emplace_back(-static_cast<int>(last), list.value().documents[read.size()]);
        }
      }
      ASSERT_EQ(read, expected) << "term " << term;
    }
    EXPECT_EQ(cut > 0, bounds.list_length == kCut.list_length);
  }
}

TEST(ImpactLists, SmallSegmentsHaveNone) {
  const TestRows rows = documents(100);
  EXPECT_FALSE(build(rows, {101, 40, 1000})->has_impacts());
  EXPECT_TRUE(build(rows, {100, 40, 1000})->has_impacts());
  EXPECT_FALSE(build(rows, {})->has_impacts());
}

TEST(ImpactLists, AreTheSameInFilesAndAfterMerges) {
  const TestRows rows = documents(700);
  const TemporaryPath path;
  const TemporaryPath again;
  const auto segment = build(rows, kCut, path.get());
  MergedRows source({{segment, nullptr, 0, 0}});
  ASSERT_TRUE(build_segment(source, {kDimension, std::nullopt}, again.get(), kCut).ok());
  EXPECT_EQ(read_file(path.get()), read_file(again.get()));
  // Documents that are gone are in no list.
  const auto removed = std::make_shared<Bitmap>(bitmap_words(700));
  for (std::size_t i = 0; i < 700; i += 2) set_bit(*removed, i);
  MergedRows rest({{segment, removed, 350, 0}});
  const auto merged = build_segment(rest, {kDimension, std::nullopt}, "", kWhole);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged.value()->documents(), 350u);
  const TestRows asked = queries(10);
  for (std::size_t i = 0; i < 10; ++i) {
    const SparseRow query = asked.view().row(i);
    const Snapshot before = snapshot_of(segment);
    auto expected = found(before, query, {5}, {removed});
    for (Hit& hit : expected) hit.slot /= 2;
    EXPECT_TRUE(same(found(snapshot_of(merged.value()), query, {5}, {nullptr}), expected));
    const auto listed = by_impacts(*merged.value(), query, {1u << 30, 0.0f, 1.0f, 0.0f}, 5);
    EXPECT_TRUE(!listed || same(*listed, expected));
  }
}

TEST(ImpactSearch, WholeListsWithoutAThresholdAreExact) {
  const auto segment = build(documents(700), kWhole);
  const Snapshot snapshot = snapshot_of(segment);
  const TestRows asked = queries(40);
  Bitmap some(bitmap_words(700));
  for (std::size_t i = 0; i < 700; i += 3) set_bit(some, i);
  const auto excluded = std::make_shared<const Bitmap>(some);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    const SparseRow query = asked.view().row(i);
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{100}}) {
      for (const auto& exclusion : {std::shared_ptr<const Bitmap>(), excluded}) {
        const auto hits = by_impacts(*segment, query, {1u << 30, 0.0f, 1.0f, 0.0f}, k, exclusion.get());
        if (!hits) continue;
        ++compared;
        EXPECT_TRUE(same(*hits, found(snapshot, query, {k}, {exclusion}))) << "query " << i << ", k " << k;
      }
    }
  }
  EXPECT_GT(compared, 120u);
}

TEST(ImpactSearch, ABudgetReadsTheLargestContributions) {
  // Document i has term 1 with a weight that falls with i, and term 2 with one that rises.
  TestRows rows;
  for (int i = 0; i < 200; ++i) {
    rows.push({{1, 200.0f - static_cast<float>(i)}, {2, 1.0f + static_cast<float>(i)}});
  }
  const auto segment = build(rows, kWhole);
  const TestRows query = {{{1, 1.0f}, {2, 0.125f}}};
  const auto hits = by_impacts(*segment, query.view().row(0), {20, 1.0f, 1.0f, 0.0f}, 3);
  ASSERT_TRUE(hits);
  ASSERT_EQ(hits->size(), 3u);
  EXPECT_EQ(hits->front().slot, 0u);
  EXPECT_EQ(hits->front().score, 200.125f);
}

TEST(ImpactSearch, HandsOnWhatItCannotDo) {
  const auto segment = build(documents(700), kCut);
  const ImpactLevel level = {1u << 20, 0.5f, 1.0f, 0.0f};
  const TestRows negative = {{{0, -1.0f}, {3, 2.0f}}};
  EXPECT_FALSE(by_impacts(*segment, negative.view().row(0), level, 5));
  EXPECT_FALSE(by_impacts(*build(documents(700, false), kCut), TestRows{{{0, 1.0f}}}.view().row(0), level, 5));
  // More hits than are worth it, also when a filter makes them so.
  const TestRows common = {{{0, 1.0f}, {1, 1.0f}, {2, 1.0f}}};
  EXPECT_TRUE(by_impacts(*segment, common.view().row(0), level, 10));
  EXPECT_FALSE(by_impacts(*segment, common.view().row(0), level, 300));
  Bitmap most(bitmap_words(700), ~std::uint64_t{0});
  for (std::size_t i = 0; i < 700; i += 30) most[i / 64] &= ~(std::uint64_t{1} << (i % 64));
  EXPECT_FALSE(by_impacts(*segment, common.view().row(0), level, 10, &most));
  // Fewer documents than hits.
  EXPECT_FALSE(by_impacts(*segment, common.view().row(0), {1, 0.5f, 1.0f, 0.0f}, 50));
  // No document passes: there is nothing to hand on.
  const Bitmap all(bitmap_words(700), ~std::uint64_t{0});
  const auto none = by_impacts(*segment, common.view().row(0), level, 5, &all);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

/// Enough documents to be calibrated.
const std::shared_ptr<const Segment>& calibrated() {
  static const std::shared_ptr<const Segment> segment = build(documents(Calibration::kLeastDocuments), {1, 1500, 1u << 24});
  return segment;
}

TEST(ImpactSearch, ReachesItsRecallWithExactScoresAndNoExcludedDocument) {
  Calibration calibration(*calibrated());
  while (!calibration.step().value()) continue;
  const Snapshot snapshot = snapshot_of(calibrated());
  const TestRows asked = queries(60);
  Bitmap some(bitmap_words(calibrated()->documents()));
  for (std::size_t i = 0; i < calibrated()->documents(); i += 3) set_bit(some, i);
  std::size_t measured = 0;
  for (const ImpactLevel& level : calibration.impacts().levels) {
    if (level.recall == 0.0f) continue;
    ++measured;
    EXPECT_GT(level.cost, 0.0f);
    for (const auto& excluded : {std::shared_ptr<const Bitmap>(), std::make_shared<const Bitmap>(some)}) {
      std::size_t expected = 0;
      std::size_t same_hits = 0;
      for (std::size_t i = 0; i < 60; ++i) {
        const SparseRow query = asked.view().row(i);
        const std::vector<Hit> all = found(snapshot, query, {calibrated()->documents()}, {excluded});
        const std::size_t best = std::min<std::size_t>(10, all.size());
        const auto hits = by_impacts(*calibrated(), query, level, 10, excluded.get());
        if (!hits) continue;
        expected += best;
        for (const Hit& hit : *hits) {
          const auto place = std::find_if(all.begin(), all.end(), [&](const Hit& other) { return other.slot == hit.slot; });
          ASSERT_NE(place, all.end());
          EXPECT_EQ(place->score, hit.score);
          if (place - all.begin() < static_cast<std::ptrdiff_t>(best)) ++same_hits;
        }
      }
      EXPECT_GE(static_cast<double>(same_hits), (level.recall - 0.08) * static_cast<double>(expected)) << level.recall;
    }
  }
  EXPECT_EQ(measured, kImpactLevels);
}

TEST(ImpactSearch, IsUsedWhereItCostsLess) {
  const TemporaryPath path;
  (void)build(documents(700), kCut, path.get());
  const auto opened = Segment::open(path.get());
  ASSERT_TRUE(opened.ok());
  const std::shared_ptr<Segment> segment = opened.value();
  EXPECT_FALSE(segment->impact_level_for(0.5)) << "nothing was measured";
  PruningLevels pruned{};
  pruned[0] = {{0.9f, 0.9f}, 0.95f};
  ImpactCalibration impacts{};
  impacts.exact_cost = 100.0f;
  impacts.pruned_costs[0] = 50.0f;
  impacts.levels[0] = {1000, 0.5f, 0.99f, 80.0f};
  impacts.levels[1] = {500, 0.5f, 0.97f, 40.0f};
  impacts.levels[2] = {200, 0.5f, 0.9f, 60.0f};
  segment->set_levels(pruned, impacts);
  const auto budget = [&](double recall) {
    const auto level = segment->impact_level_for(recall);
    return level ? level->budget : 0;
  };
  EXPECT_EQ(budget(0.995), 0u) << "none reaches it";
  EXPECT_EQ(budget(0.98), 1000u);
  EXPECT_EQ(budget(0.9), 500u) << "the cheapest, not the last";
  impacts.levels[1].cost = 55.0f;
  segment->set_levels(pruned, impacts);
  EXPECT_EQ(budget(0.9), 0u) << "the screened search costs less";
  EXPECT_EQ(budget(0.96), 500u);
  const Snapshot snapshot = snapshot_of(segment);
  EXPECT_FLOAT_EQ(static_cast<float>(snapshot.reached(0.96)), 0.97f);
  EXPECT_FLOAT_EQ(static_cast<float>(snapshot.reached(0.9)), 0.95f);
  const TestRows asked = queries(20);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    const SparseRow query = asked.view().row(i);
    const auto expected = by_impacts(*segment, query, impacts.levels[1], 5);
    if (!expected) continue;
    ++compared;
    EXPECT_TRUE(same(found(snapshot, query, {5, 0.96}, {nullptr}), *expected));
    EXPECT_TRUE(same(found(snapshot, query, {5}, {nullptr}), found(snapshot_of(build(documents(700), {})), query, {5}, {nullptr})))
        << "exact search is the same with lists and without";
  }
  EXPECT_GT(compared, 10u);
}

/// Contents that lie with the right checksums: nothing may be read outside the file.
TEST(ImpactLists, LyingContentsCrashNothing) {
  const TemporaryPath path;
  (void)build(documents(Calibration::kLeastDocuments), {1, 60, 1u << 24}, path.get());
  const std::vector<char> bytes = read_file(path.get());
  SegmentTrailer trailer;
  const std::size_t trailer_at = bytes.size() - sizeof(trailer);
  std::memcpy(&trailer, bytes.data() + trailer_at, sizeof(trailer));
  const auto decoded = decode_footer(std::as_bytes(std::span(bytes)).subspan(trailer.tail, trailer_at - trailer.tail), trailer, "file");
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  const TestRows asked = queries(5);
  std::mt19937 random(52);
  std::size_t refused = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<char> lying = bytes;
    for (int flips = 0; flips < 40; ++flips) {
      const Region region = std::vector<Region>{kImpactPlaces, kImpactRuns, kImpactDocuments}[random() % 3];
      const auto [offset, size] = decoded.value().footer.regions[region];
      lying[offset + random() % size] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    const auto all = std::as_bytes(std::span(lying));
    for (std::size_t page = 0; page * kPageBytes < trailer.tail; ++page) {
      const std::uint64_t checksum =
          xxh64(all.subspan(page * kPageBytes, std::min(kPageBytes, static_cast<std::size_t>(trailer.tail) - page * kPageBytes)));
      std::memcpy(lying.data() + trailer.tail + page * sizeof(checksum), &checksum, sizeof(checksum));
    }
    SegmentTrailer repaired = trailer;
    repaired.checksum = xxh64(all.subspan(trailer.tail, trailer_at - trailer.tail));
    std::memcpy(lying.data() + trailer_at, &repaired, sizeof(repaired));
    write_file(path.get(), lying);
    const auto segment = Segment::open(path.get());
    ASSERT_TRUE(segment.ok()) << segment.error().message;
    for (std::size_t i = 0; i < 5; ++i) {
      const SparseRow row = asked.view().row(i);
      const SparseQuery query = {row.indices, row.values};
      SearchScratch scratch;
      const DenseQuery dense(query, segment.value()->dense_size(), scratch.dense);
      scratch.top.reset(10);
      const auto searched = search_impacts({*segment.value(), 0, nullptr}, query, {1u << 20, 0.5f, 1.0f, 0.0f}, scratch, nullptr);
      if (searched.ok()) continue;
      EXPECT_STREQ(searched.error().code, "ERR_INDEX_CORRUPT");
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace sparse_rerank
