#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "index/saved_copy.h"
#include "index/segment_format.h"
#include "test/index_file_fixture.h"

namespace sparse_rerank {
namespace {

/// An index of a few hundred documents with every kind of region.
std::shared_ptr<SegmentedIndex> sample(std::uint32_t dimension = 300) {
  std::mt19937 random(20);
  const auto index = SegmentedIndex::create(dimension);
  const TestRows rows = random_rows(random, 400, dimension, 30, Terms::kSkewed);
  const TestStrings ids(numbered(0, 400));
  std::vector<std::string> texts;
  for (int i = 0; i < 400; ++i) texts.push_back(i % 5 == 0 ? "" : "stored " + std::to_string(i));
  TestAttributes attributes;
  for (int remainder = 4; remainder >= 0; --remainder) {
    std::vector<std::uint32_t> documents;
    for (std::uint32_t i = 0; i < 400; ++i) {
      if (i % 5 == static_cast<std::uint32_t>(remainder)) documents.push_back(i);
    }
    attributes.push("remainder " + std::to_string(remainder), documents);
  }
  EXPECT_FALSE(index->add({rows.view(), ids.view(), TestStrings(texts).view(), attributes.view()}));
  return index;
}

const TestRows& sample_queries() {
  static const TestRows queries = [] {
    std::mt19937 random(21);
    TestRows rows = random_rows(random, 6, 300, 25, Terms::kSkewed);
    rows.push({{0, -1.0f}, {3, 2.0f}});
    return rows;
  }();
  return queries;
}

/// What a user can see of an index; the first error's code instead, if there is one.
struct Seen {
  std::string error;
  std::vector<Found> hits;
  std::vector<std::string> stored;
  std::vector<std::string> merged;
  std::vector<Bitmap> filtered;
  bool operator==(const Seen&) const = default;
};

/// Reads all of it: searches, a filter, look-ups of ids, stored bytes, and a merge, which copies everything.
Seen see(const Result<std::shared_ptr<SegmentedIndex>>& opened) {
  Seen seen;
  const auto fails = [&](const auto& result) {
    if (!result.ok() && seen.error.empty()) seen.error = result.error().code;
    return !result.ok();
  };
  if (fails(opened)) return seen;
  SegmentedIndex& index = *opened.value();
  const auto snapshot = index.snapshot();
  SearchScratch scratch;
  std::vector<Hit> hits;
  for (std::size_t i = 0; i < sample_queries().view().rows(); ++i) {
    const SparseRow query = sample_queries().view().row(i);
    if (const Status error = snapshot->search({query.indices, query.values}, {20}, snapshot->removed(), scratch, hits, nullptr)) {
      seen.error = error->code;
      return seen;
    }
    Found found;
    for (const Hit& hit : hits) {
      const auto [segment, document] = snapshot->locate(hit.slot);
      const auto id = snapshot->segments[segment].segment->id(document);
      if (fails(id)) return seen;
      found.emplace_back(id.value(), hit.score);
    }
    seen.hits.push_back(found);
  }
  const TestFilter filter({{FilterOperation::kRanges, 2}}, {"remainder 1", "remainder 3", "remainder 4", "s"});
  const auto exclusions = snapshot->all_but(filter.view());
  if (fails(exclusions)) return seen;
  for (const auto& excluded : exclusions.value()) seen.filtered.push_back(*excluded);
  for (const std::string& id : numbered(0, 401)) {
    const auto location = snapshot->find(id);
    if (fails(location)) return seen;
    if (!location.value()) continue;
    const auto stored = snapshot->segments[location.value()->segment].segment->stored(location.value()->document);
    if (fails(stored)) return seen;
    seen.stored.push_back(id + std::string(reinterpret_cast<const char*>(stored.value().data()), stored.value().size()));
  }
  // A second segment, so that there is something to merge.
  const TestStrings ids({"new"});
  if (const Status error = index.add({TestRows{{{1, 1.0f}}}.view(), ids.view(), {}})) {
    seen.error = error->code;
    return seen;
  }
  while (true) {
    const auto step = index.merge_step(true);
    if (fails(step)) return seen;
    if (step.value() == MergeStep::kNothing) break;
  }
  const auto merged = index.snapshot();
  std::vector<std::uint32_t> terms;
  for (std::uint32_t i = 0; i < merged->segments[0].segment->documents(); ++i) {
    const auto row = merged->segments[0].segment->row(i, terms);
    if (fails(row)) return seen;
    std::string text;
    for (std::size_t j = 0; j < row.value().indices.size(); ++j) {
      text += std::to_string(row.value().indices[j]) + ":" + std::to_string(row.value().values[j]) + " ";
    }
    seen.merged.push_back(text);
  }
  return seen;
}

/// Bytes of a file between its regions and its trailer.
std::size_t footer_bytes(const std::vector<char>& bytes) {
  SegmentTrailer trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof(trailer), sizeof(trailer));
  return bytes.size() - sizeof(trailer) - static_cast<std::size_t>(trailer.tail);
}

TEST(Checksum, IsXxh64) {
  // From the reference implementation.
  const auto hash = [](const std::string& text) { return xxh64(std::as_bytes(std::span(text))); };
  EXPECT_EQ(hash(""), 0xef46db3751d8e999u);
  EXPECT_EQ(hash("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(hash("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(hash("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
}

TEST(SegmentFile, OpensAsItWasSaved) {
  for (const std::uint32_t dimension : {300u, 100000u}) {
    const auto index = sample(dimension);
    const TemporaryPath path;
    ASSERT_FALSE(save_file(*index->snapshot(), path.get(), nullptr));
    const Seen before = see(index);
    EXPECT_EQ(before.error, "");
    EXPECT_EQ(before.stored.size(), 400u);
    EXPECT_EQ(see(open(path.get())), before);
    EXPECT_EQ(code_of(open(path.get(), 301)), "ERR_DIMENSION_MISMATCH");
    // Saving again replaces a file that is mapped.
    const auto again = opened(path.get());
    EXPECT_EQ(remove(*again, {"7"}), 1u);
    ASSERT_FALSE(save_file(*again->snapshot(), path.get(), nullptr));
    EXPECT_EQ(opened(path.get())->stats().documents, 399u);
    EXPECT_FALSE(std::filesystem::exists(path.get() + ".new"));
  }
}

TEST(SegmentFile, AnEmptyIndexOpens) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*SegmentedIndex::create(5)->snapshot(), path.get(), nullptr));
  const auto index = opened(path.get());
  EXPECT_EQ(index->dimension(), 5u);
  EXPECT_EQ(index->stats().documents, 0u);
  EXPECT_EQ(index->stats().segments, 0u);
}

TEST(SegmentFile, EveryFlippedBitIsDetectedOrHarmless) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  const Seen expected = see(open(path.get()));
  ASSERT_EQ(expected.error, "");
  // Every byte of what the footer and trailer say, and a prime's multiples of the rest.
  const std::size_t tail = bytes.size() - footer_bytes(bytes) - sizeof(SegmentTrailer);
  std::size_t detected = 0;
  std::size_t flips = 0;
  for (std::size_t at = 0; at < bytes.size(); at += at < tail ? 131 : 1, ++flips) {
    std::vector<char> damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_file(path.get(), damaged);
    const Seen seen = see(open(path.get()));
    // The file is one page, so all of it is checked with the first use.
    ASSERT_TRUE(seen.error == "ERR_INDEX_CORRUPT" || seen.error == "ERR_INDEX_VERSION") << "byte " << at << ": " << seen.error;
    ++detected;
  }
  EXPECT_EQ(detected, flips);
  EXPECT_GT(flips, 500u);
}

TEST(SegmentFile, PagesAreCheckedWhenTheyAreUsed) {
  // 64 KiB and more of stored bytes for each document: their pages have nothing else.
  const auto index = SegmentedIndex::create(4);
  TestRows rows;
  for (int i = 0; i < 20; ++i) rows.push({{1, 1.0f + static_cast<float>(i)}});
  const TestStrings ids(numbered(0, 20));
  const TestStrings stored(std::vector<std::string>(20, std::string(3 * kPageBytes, 'x')));
  ASSERT_FALSE(index->add({rows.view(), ids.view(), stored.view()}));
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*index->snapshot(), path.get(), nullptr));
  std::vector<char> bytes = read_file(path.get());
  // Within the stored bytes of document 10.
  std::size_t begin = 0;
  while (std::string_view(bytes.data() + begin, 1000) != std::string(1000, 'x')) ++begin;
  bytes[begin + 10 * 3 * kPageBytes + kPageBytes] = 'y';
  write_file(path.get(), bytes);
  const auto damaged = opened(path.get());
  EXPECT_EQ(search(*damaged, {{1, 1.0f}}, 1), (Found{{"19", 20.0f}}));
  const Segment& segment = *damaged->snapshot()->segments[0].segment;
  EXPECT_TRUE(segment.stored(5).ok());
  ASSERT_FALSE(segment.stored(10).ok());
  EXPECT_STREQ(segment.stored(10).error().code, "ERR_INDEX_CORRUPT");
  const Status saved = save_file(*damaged->snapshot(), path.get() + ".copy", nullptr);
  ASSERT_TRUE(saved);
  EXPECT_STREQ(saved->code, "ERR_INDEX_CORRUPT");
  EXPECT_FALSE(std::filesystem::exists(path.get() + ".copy"));
  EXPECT_FALSE(std::filesystem::exists(path.get() + ".copy.new"));
}

TEST(SegmentFile, EveryTruncationIsDetected) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  for (std::size_t size = 0; size < bytes.size(); size += size < bytes.size() - 900 ? 997 : 1) {
    write_file(path.get(), {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_EQ(code_of(open(path.get())), "ERR_INDEX_CORRUPT") << size;
  }
}

TEST(SegmentFile, AnotherVersionIsRefusedByName) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  std::vector<char> bytes = read_file(path.get());
  bytes[bytes.size() - sizeof(SegmentTrailer) + offsetof(SegmentTrailer, version)] = 9;
  write_file(path.get(), bytes);
  const auto result = open(path.get());
  ASSERT_EQ(code_of(result), "ERR_INDEX_VERSION");
  EXPECT_NE(result.error().message.find("version 9"), std::string::npos);
}

/// Contents that lie with the right checksums: nothing may be read outside the file, whatever comes out.
TEST(SegmentFile, LyingContentsCrashNothing) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  const std::size_t trailer_at = bytes.size() - sizeof(SegmentTrailer);
  std::mt19937 random(22);
  for (int round = 0; round < 3000; ++round) {
    std::vector<char> lying = bytes;
    for (std::size_t flips = 1 + random() % 4; flips > 0; --flips) {
      // Half of the time the footer, whose numbers rule the rest.
      const std::size_t at = random() % 2 == 0 ? trailer_at - 1 - random() % footer_bytes(bytes) : random() % trailer_at;
      lying[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    SegmentTrailer trailer;
    std::memcpy(&trailer, lying.data() + trailer_at, sizeof(trailer));
    const auto all = std::as_bytes(std::span(lying));
    const std::uint64_t page = xxh64(all.first(trailer.tail));
    std::memcpy(lying.data() + trailer.tail, &page, sizeof(page));
    trailer.checksum = xxh64(all.subspan(trailer.tail, trailer_at - trailer.tail));
    std::memcpy(lying.data() + trailer_at, &trailer, sizeof(trailer));
    write_file(path.get(), lying);
    const Seen seen = see(open(path.get()));
    // The kind or version of a section may lie, too.
    ASSERT_TRUE(seen.error.empty() || seen.error == "ERR_INDEX_CORRUPT" || seen.error == "ERR_INDEX_VERSION") << seen.error;
  }
}

}  // namespace
}  // namespace sparse_rerank
