#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "index/saved_copy.h"
#include "index/segment_footer.h"
#include "index/segment_format.h"
#include "test/index_file_fixture.h"
#include "test/lexical_fixture.h"

namespace sparse_rerank {
namespace {

constexpr Bm25 kBm25 = {1.5, 0.6};
constexpr std::size_t kDocuments = 300;

std::vector<TermCounts> sample_documents() {
  std::mt19937 random(60);
  return random_documents(random, kDocuments, 200, 30);
}

std::shared_ptr<SegmentedIndex> sample() {
  const auto index = SegmentedIndex::create(IndexSettings{10, kBm25});
  add(*index, sample_documents(), numbered(0, kDocuments));
  return index;
}

Result<std::shared_ptr<SegmentedIndex>> open_lexical(const std::string& path, Bm25 bm25 = kBm25, bool read_only = false) {
  return SegmentedIndex::open(path, {10, read_only, bm25});
}

SegmentTrailer trailer_of(const std::vector<char>& bytes) {
  SegmentTrailer trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof(trailer), sizeof(trailer));
  return trailer;
}

SegmentFooter footer_of(const std::vector<char>& bytes) {
  const SegmentTrailer trailer = trailer_of(bytes);
  const auto tail = std::as_bytes(std::span(bytes)).subspan(trailer.tail);
  const auto decoded = decode_footer(tail.first(tail.size() - sizeof(trailer)), trailer, "file");
  EXPECT_TRUE(decoded.ok());
  return decoded.value().footer;
}

/// Puts right checksums into a file of two pages, the second with the lexical side.
void repair(std::vector<char>& bytes, std::uint64_t second_page) {
  SegmentTrailer trailer = trailer_of(bytes);
  const auto all = std::as_bytes(std::span(bytes));
  const std::uint64_t pages[2] = {xxh64(all.first(second_page)), xxh64(all.subspan(second_page, trailer.tail - second_page))};
  std::memcpy(bytes.data() + trailer.tail, pages, sizeof(pages));
  trailer.checksum = xxh64(all.subspan(trailer.tail, bytes.size() - sizeof(trailer) - trailer.tail));
  std::memcpy(bytes.data() + bytes.size() - sizeof(trailer), &trailer, sizeof(trailer));
}

/// Searches for every term, with removed documents, and merges: the first error's code.
std::string use(SegmentedIndex& index) {
  std::string code;
  const auto keep = [&](const auto& status) {
    if (status && code.empty()) code = status->code;
  };
  const auto snapshot = index.snapshot();
  SearchScratch scratch;
  std::vector<Hit> hits;
  for (int term = 0; term < 60; ++term) {
    const TestTerms query({{{std::string("t") + std::to_string(term), 1}, {"t0", 1}}});
    keep(search_terms(*snapshot, lexical_query(query.view(), 0), 400, snapshot->removed(), scratch, hits, nullptr));
  }
  const auto removed = index.remove(TestStrings({"1", "70"}).view());
  keep(removed ? Status() : Status(removed.error()));
  keep(search_terms(*index.snapshot(), lexical_query(TestTerms({{{"t0", 1}}}).view(), 0), 5, index.snapshot()->removed(), scratch, hits,
                    nullptr));
  while (true) {
    const auto step = index.merge_step(true);
    if (!step) keep(Status(step.error()));
    if (!step || step.value() == MergeStep::kNothing) return code;
  }
}

TEST(LexicalFile, OpensAsItWasSavedWithItsSettings) {
  const TemporaryPath path;
  const auto index = sample();
  ASSERT_FALSE(save_file(*index->snapshot(), path.get(), nullptr));
  const auto opened = open_lexical(path.get());
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_EQ(opened.value()->settings(), (IndexSettings{10, kBm25}));
  for (int term = 0; term < 40; ++term) {
    const TermCounts query = {{std::string("t") + std::to_string(term), 1}, {"t3", 2}};
    EXPECT_EQ(search_terms(*opened.value(), query, 20), search_terms(*index, query, 20));
  }
  EXPECT_EQ(code_of(open_lexical(path.get(), {1.2, 0.75})), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(opened.value()->settings(), open(path.get()).value()->settings());
  const TemporaryPath empty;
  ASSERT_FALSE(save_file(*SegmentedIndex::create(IndexSettings{10, kBm25})->snapshot(), empty.get(), nullptr));
  EXPECT_EQ(open(empty.get()).value()->settings(), (IndexSettings{10, kBm25}));
  EXPECT_EQ(use(*open(empty.get()).value()), "");
  const TemporaryPath plain;
  ASSERT_FALSE(save_file(*SegmentedIndex::create(10)->snapshot(), plain.get(), nullptr));
  EXPECT_EQ(code_of(open_lexical(plain.get())), "ERR_INVALID_ARGUMENT");
}

TEST(LexicalFile, FoldersKeepBothSidesAndTheirSettings) {
  const TemporaryPath path;
  std::mt19937 random(61);
  NaiveBm25 naive(kBm25);
  const std::vector<TermCounts> queries = {{{"t0", 1}}, {{"t1", 1}, {"t2", 1}, {"t9", 1}}, {{"t5", 2}, {"t30", 1}}};
  const auto check = [&](const SegmentedIndex& index) {
    for (const TermCounts& query : queries) EXPECT_EQ(search_terms(index, query, 50), naive.search(query, 50));
    EXPECT_EQ(index.stats().documents, naive.size());
  };
  for (std::size_t round = 0; round < 12; ++round) {
    const auto index = open_lexical(path.get());
    ASSERT_TRUE(index.ok()) << index.error().message;
    check(*index.value());
    const auto documents = random_documents(random, 30, 100, 20);
    const auto ids = numbered(round * 20, 30);
    add(*index.value(), documents, ids);
    naive.add(documents, ids);
    check(*index.value());
    const auto gone = numbered(round * 13, 5);
    EXPECT_EQ(remove(*index.value(), gone), naive.remove(gone));
    if (round % 4 == 3) merge(*index.value());
    check(*index.value());
    index.value()->close();
  }
  EXPECT_EQ(code_of(open_lexical(path.get(), {1.2, 0.75})), "ERR_INVALID_ARGUMENT");
  // Opened without, it is what it is.
  const auto index = opened(path.get());
  EXPECT_EQ(index->settings(), (IndexSettings{10, kBm25}));
  check(*index);
  index->close();
  // A segment of another index is none of it.
  const TemporaryPath other;
  const auto foreign = opened(other.get(), 10);
  add(*foreign, small_rows(3), numbered(0, 3));
  foreign->close();
  const auto plain_segment = read_file(other.get() + "/segment-0");
  const TemporaryPath third;
  {
    const auto lexical = open_lexical(third.get());
    add(*lexical.value(), random_documents(random, 3, 10, 3), numbered(0, 3));
    lexical.value()->close();
  }
  write_file(third.get() + "/segment-0", plain_segment);
  EXPECT_EQ(code_of(open_lexical(third.get())), "ERR_INDEX_CORRUPT");
}

TEST(LexicalFile, EveryFlippedBitIsDetectedAndLeavesTheOtherSideReadable) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  const std::uint64_t lexical = footer_of(bytes).regions[kLexicalPostings].offset;
  ASSERT_LT(lexical, kPageBytes);
  ASSERT_LT(trailer_of(bytes).tail - lexical, kPageBytes);
  const Found expected = search(*opened(path.get()), {{3, 1.0f}}, 50);
  std::size_t flips = 0;
  for (std::size_t at = lexical; at < trailer_of(bytes).tail; at += 211, ++flips) {
    std::vector<char> damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_file(path.get(), damaged);
    const auto index = opened(path.get());
    // Vectors, ids and removals know nothing of it.
    EXPECT_EQ(search(*index, {{3, 1.0f}}, 50), expected);
    EXPECT_EQ(remove(*index, {"0"}), 1u);
    ASSERT_EQ(use(*index), "ERR_INDEX_CORRUPT") << at;
    const auto snapshot = index->snapshot();
    const auto failed = term_statistics(*snapshot, {"t0"});
    ASSERT_FALSE(failed.ok());
    EXPECT_NE(failed.error().message.find(path.get()), std::string::npos) << failed.error().message;
  }
  EXPECT_GT(flips, 20u);
}

/// Contents that lie with the right checksums: nothing may be read outside the file, whatever comes out.
TEST(LexicalFile, LyingContentsCrashNothing) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  const SegmentFooter footer = footer_of(bytes);
  const std::uint64_t second_page = footer.regions[kLexicalPostings].offset;
  const std::size_t trailer_at = bytes.size() - sizeof(SegmentTrailer);
  std::mt19937 random(62);
  std::size_t corrupt = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<char> lying = bytes;
    for (std::size_t flips = 1 + random() % 4; flips > 0; --flips) {
      // Each region in turn, the footer in between.
      const std::size_t region = kVersion3Regions + random() % (kRegionCount - kVersion3Regions + 1);
      std::size_t at;
      if (region == kRegionCount) {
        at = trailer_of(bytes).tail + random() % (trailer_at - trailer_of(bytes).tail);
      } else {
        at = footer.regions[region].offset + random() % footer.regions[region].bytes;
      }
      lying[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    repair(lying, second_page);
    write_file(path.get(), lying);
    const auto index = open(path.get());
    const std::string code = index.ok() ? use(*index.value()) : std::string(index.error().code);
    ASSERT_TRUE(code.empty() || code == "ERR_INDEX_CORRUPT" || code == "ERR_INDEX_VERSION" || code == "ERR_INVALID_ARGUMENT") << code;
    if (!code.empty()) ++corrupt;
  }
  EXPECT_GT(corrupt, 60u);
}

/// A file with one section more.
std::vector<char> with_section(const std::vector<char>& bytes, const SectionEntry& entry) {
  SegmentTrailer trailer = trailer_of(bytes);
  std::vector<char> changed(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(sizeof(trailer) + sizeof(std::uint64_t)));
  std::uint64_t count = 0;
  std::memcpy(&count, bytes.data() + changed.size(), sizeof(count));
  ++count;
  const auto append = [&](const auto& value) {
    const auto* const begin = reinterpret_cast<const char*>(&value);
    changed.insert(changed.end(), begin, begin + sizeof(value));
  };
  append(entry);
  append(count);
  trailer.checksum = xxh64(std::as_bytes(std::span(changed)).subspan(trailer.tail));
  append(trailer);
  return changed;
}

TEST(Sections, UnknownOnesAreIgnoredIfTheySayThatTheyMayBe) {
  const TemporaryPath path;
  ASSERT_FALSE(save_file(*sample()->snapshot(), path.get(), nullptr));
  const std::vector<char> bytes = read_file(path.get());
  const auto code_with = [&](const SectionEntry& entry) {
    write_file(path.get(), with_section(bytes, entry));
    const auto index = open(path.get());
    if (index.ok()) EXPECT_EQ(use(*index.value()), "");
    return code_of(index);
  };
  EXPECT_EQ(code_with({1000, 1, 8, 16, kIgnorable}), "ok");
  EXPECT_EQ(code_with({1000, 1, ~std::uint64_t{0}, ~std::uint64_t{0}, kIgnorable}), "ok");
  EXPECT_EQ(code_with({1000, 1, 8, 16, 0}), "ERR_INDEX_VERSION");
  EXPECT_EQ(code_with({kFirstRegionKind + kRegionCount, 1, 8, 16, 0}), "ERR_INDEX_VERSION");
  EXPECT_EQ(code_with({kCountsKind, 1, 8, 16, 0}), "ERR_INDEX_CORRUPT");
  EXPECT_EQ(code_with({kFirstRegionKind, 1, 8, 16, kIgnorable}), "ERR_INDEX_CORRUPT");
  // Pages that begin anew where the checksums do not know of it, or beyond the regions.
  EXPECT_EQ(code_with({1000, 1, 8, 16, kIgnorable | kBeginsPages}), "ERR_INDEX_CORRUPT");
  EXPECT_EQ(code_with({1000, 1, ~std::uint64_t{0}, 16, kIgnorable | kBeginsPages}), "ERR_INDEX_CORRUPT");
}

TEST(Refresh, ReadersFollowAWriter) {
  const TemporaryPath path;
  std::mt19937 random(63);
  NaiveBm25 naive(kBm25);
  const auto writer = open_lexical(path.get());
  ASSERT_TRUE(writer.ok());
  const auto reader = open_lexical(path.get(), kBm25, true);
  ASSERT_TRUE(reader.ok());
  const auto refresh = [&] {
    const auto refreshed = reader.value()->refresh();
    EXPECT_TRUE(refreshed.ok()) << refreshed.error().message;
    return refreshed.ok() && refreshed.value();
  };
  EXPECT_FALSE(refresh());
  EXPECT_FALSE(writer.value()->refresh().value());
  for (std::size_t round = 0; round < 40; ++round) {
    const auto documents = random_documents(random, 8, 50, 10);
    add(*writer.value(), documents, numbered(round * 5, 8));
    naive.add(documents, numbered(round * 5, 8));
    if (round % 3 == 0) EXPECT_EQ(remove(*writer.value(), numbered(round * 4, 2)), naive.remove(numbered(round * 4, 2)));
    if (round % 5 == 0) merge(*writer.value());
    if (round % 2 == 0) continue;
    const auto before = reader.value()->snapshot();
    EXPECT_TRUE(refresh());
    EXPECT_FALSE(refresh());
    const TermCounts query = {{"t0", 1}, {"t1", 1}, {"t7", 1}};
    ASSERT_EQ(search_terms(*reader.value(), query, 500), naive.search(query, 500)) << round;
    // What is still there stays open.
    const auto after = reader.value()->snapshot();
    for (const IndexSegment& old : before->segments) {
      for (const IndexSegment& now : after->segments) {
        if (old.number == now.number) EXPECT_EQ(old.segment, now.segment);
      }
    }
  }
  writer.value()->close();
  // Another index of the same segment numbers in its place.
  std::filesystem::remove_all(path.get());
  const auto gone = reader.value()->refresh();
  ASSERT_FALSE(gone.ok());
  EXPECT_STREQ(gone.error().code, "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(reader.value()->stats().documents, naive.size());
  {
    const auto again = open_lexical(path.get());
    add(*again.value(), {{{"new", 1}}}, {"new"});
    again.value()->close();
  }
  EXPECT_TRUE(refresh());
  EXPECT_EQ(search_terms(*reader.value(), {{"new", 1}}, 5).size(), 1u);
  std::filesystem::remove_all(path.get());
  opened(path.get(), 10)->close();
  EXPECT_STREQ(reader.value()->refresh().error().code, "ERR_INVALID_ARGUMENT");
  reader.value()->close();
  EXPECT_STREQ(reader.value()->refresh().error().code, "ERR_DISPOSED");
}

}  // namespace
}  // namespace sparse_rerank
