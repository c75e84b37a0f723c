#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/temporary_name.h"
#include "index/manifest.h"
#include "index/saved_copy.h"
#include "test/index_file_fixture.h"

namespace sparse_rerank {
namespace {

const std::vector<TestRows::Entry> kQuery = {{0, 1.0f}, {1, 0.5f}, {2, 0.75f}, {5, 2.0f}, {40, 1.0f}, {200, 1.0f}};

TEST(IndexFolder, KeepsWhatWasAddedAndRemoved) {
  const TemporaryPath path;
  EXPECT_EQ(code_of(open(path.get())), "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(code_of(open(path.get(), {}, true)), "ERR_FILE_NOT_FOUND");
  {
    const auto index = opened(path.get(), 300);
    std::mt19937 random(23);
    add(*index, random_rows(random, 100, 300, 20, Terms::kSkewed), numbered(0, 100));
    add(*index, random_rows(random, 100, 300, 20, Terms::kSkewed), numbered(50, 100));
    EXPECT_EQ(remove(*index, numbered(140, 30)), 10u);
    EXPECT_EQ(index->stats().documents, 140u);
  }
  const auto index = opened(path.get());
  EXPECT_EQ(index->stats().documents, 140u);
  EXPECT_EQ(index->stats().segments, 2u);
  const Found before = search(*index, kQuery, 200);
  merge(*index, true);
  EXPECT_EQ(search(*index, kQuery, 200), before);
  index->close();
  const auto again = opened(path.get(), 300);
  EXPECT_EQ(again->stats().segments, 1u);
  EXPECT_EQ(search(*again, kQuery, 200), before);
  EXPECT_EQ(code_of(open(path.get(), 7, true)), "ERR_DIMENSION_MISMATCH");
}

TEST(IndexFolder, HasOneWriterAndManyReaders) {
  const TemporaryPath path;
  const auto writer = opened(path.get(), 300);
  add(*writer, {{{1, 1.0f}}}, {"a"});
  EXPECT_EQ(code_of(open(path.get())), "ERR_INDEX_LOCKED");
  const auto reader = opened(path.get(), {}, true);
  add(*writer, {{{1, 2.0f}}}, {"b"});
  merge(*writer, true);
  // The reader keeps what it opened, whose files are gone.
  EXPECT_EQ(search(*reader, {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
  EXPECT_EQ(search(*opened(path.get(), {}, true), {{1, 1.0f}}, 5), (Found{{"b", 2.0f}, {"a", 1.0f}}));
  const TestStrings ids({"c"});
  const Status refused = reader->add({TestRows{{{1, 1.0f}}}.view(), ids.view(), {}});
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_READ_ONLY");
  EXPECT_FALSE(reader->remove(ids.view()).ok());
  EXPECT_FALSE(reader->merge_step(true).ok());
  writer->close();
  EXPECT_EQ(code_of(open(path.get())), "ok");
}

TEST(IndexFolder, SegmentsOfWhichNothingIsLeftGoAtOnce) {
  const TemporaryPath path;
  const auto index = opened(path.get(), 300);
  std::mt19937 random(24);
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path.get())) {
      if (entry.path().filename().string().starts_with("segment-")) ++count;
    }
    return count;
  };
  add(*index, random_rows(random, 20, 300, 20, Terms::kSkewed), numbered(0, 20));
  add(*index, random_rows(random, 10, 300, 20, Terms::kSkewed), numbered(20, 10));
  EXPECT_EQ(remove(*index, numbered(0, 20)), 20u);
  EXPECT_EQ(index->stats().segments, 1u);
  EXPECT_EQ(files(), 1u);
  const TestRows again = random_rows(random, 10, 300, 20, Terms::kSkewed);
  add(*index, again, numbered(20, 10));
  EXPECT_EQ(index->stats().segments, 1u);
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(index->stats().documents, 10u);
  const Found found = search(*index, kQuery, 20);
  // A merge in progress keeps its sources.
  add(*index, {{{1, 1.0f}}}, {"a"});
  ASSERT_EQ(index->merge_step(true).value(), MergeStep::kMore);
  EXPECT_EQ(remove(*index, {"a"}), 1u);
  EXPECT_EQ(index->stats().segments, 2u);
  merge(*index, true);
  EXPECT_EQ(index->stats().segments, 1u);
  EXPECT_EQ(search(*index, kQuery, 20), found);
  EXPECT_EQ(remove(*index, numbered(20, 10)), 10u);
  EXPECT_EQ(files(), 0u);
  index->close();
  EXPECT_EQ(opened(path.get())->stats().documents, 0u);
}

TEST(IndexFolder, IsCopiedToANewFolder) {
  const TemporaryPath path;
  const TemporaryPath copy_path;
  std::mt19937 random(25);
  const auto index = SegmentedIndex::create(300);
  ASSERT_FALSE(save_folder(*index->snapshot(), copy_path.get(), nullptr));
  EXPECT_EQ(opened(copy_path.get())->stats().documents, 0u);
  add(*index, random_rows(random, 100, 300, 20, Terms::kSkewed), numbered(0, 100));
  add(*index, random_rows(random, 50, 300, 20, Terms::kSkewed), numbered(80, 50));
  EXPECT_EQ(remove(*index, numbered(10, 10)), 10u);
  ASSERT_FALSE(save_folder(*index->snapshot(), path.get(), nullptr));
  const auto copy = opened(path.get(), 300);
  EXPECT_EQ(copy->stats().documents, 120u);
  EXPECT_EQ(copy->stats().segments, 1u);
  EXPECT_EQ(search(*copy, kQuery, 200), search(*index, kQuery, 200));
  add(*copy, {{{1, 1.0f}}}, {"a"});
  EXPECT_EQ(copy->stats().documents, 121u);
  copy->close();
  const Status refused = save_folder(*index->snapshot(), path.get(), nullptr);
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_FILE_UNWRITABLE");
  const TemporaryPath aborted_path;
  const std::atomic<bool> cancelled = true;
  EXPECT_STREQ(save_folder(*index->snapshot(), aborted_path.get(), &cancelled)->code, "ERR_ABORTED");
}

TEST(IndexFolder, LeftoversOfACrashGo) {
  const TemporaryPath path;
  const auto writer = opened(path.get(), 300);
  add(*writer, {{{1, 1.0f}}}, {"a"});
  writer->close();
  write_file(path.get() + "/segment-99", {'x'});
  write_file(path.get() + "/manifest.new", {'x'});
  write_file(path.get() + "/notes.txt", {'x'});
  EXPECT_EQ(search(*opened(path.get()), {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
  EXPECT_FALSE(std::filesystem::exists(path.get() + "/segment-99"));
  EXPECT_FALSE(std::filesystem::exists(path.get() + "/manifest.new"));
  EXPECT_TRUE(std::filesystem::exists(path.get() + "/notes.txt"));
}

TEST(IndexFolder, EveryFlippedBitOfTheManifestIsDetected) {
  const TemporaryPath path;
  {
    const auto writer = opened(path.get(), 300);
    add(*writer, {{{1, 1.0f}}, {{1, 1.0f}}}, {"a", "b"});
    EXPECT_EQ(remove(*writer, {"a"}), 1u);
  }
  const std::string manifest = path.get() + "/manifest";
  const std::vector<char> bytes = read_file(manifest);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::vector<char> damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write_file(manifest, damaged);
    const std::string code = code_of(open(path.get()));
    ASSERT_TRUE(code == "ERR_INDEX_CORRUPT" || code == "ERR_INDEX_VERSION") << at << ": " << code;
    write_file(manifest, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at)});
    ASSERT_EQ(code_of(open(path.get())), "ERR_INDEX_CORRUPT") << at;
  }
  write_file(manifest, bytes);
  EXPECT_EQ(code_of(open(path.get())), "ok");
  std::filesystem::remove(path.get() + "/segment-0");
  EXPECT_EQ(code_of(open(path.get())), "ERR_FILE_NOT_FOUND");
}

/// A folder of one segment, "a" and "b", whose manifest `change` has rewritten.
std::string code_with(const std::function<void(Manifest&)>& change) {
  const TemporaryPath path;
  {
    const auto writer = opened(path.get(), 300);
    add(*writer, {{{1, 1.0f}}, {{1, 1.0f}}}, {"a", "b"});
  }
  const std::string file = path.get() + "/manifest";
  const std::vector<char> bytes = read_file(file);
  auto manifest = Manifest::decode(std::as_bytes(std::span(bytes)), file);
  EXPECT_TRUE(manifest);
  change(manifest.value());
  const std::vector<std::byte> encoded = manifest.value().encode();
  std::vector<char> written(encoded.size());
  std::memcpy(written.data(), encoded.data(), encoded.size());
  write_file(file, written);
  const std::string code = code_of(open(path.get()));
  EXPECT_EQ(code_of(open(path.get(), {}, true)), code);
  EXPECT_EQ(code_of(open(path.get(), 300)), code);
  // Whatever was wrong, nothing was removed.
  EXPECT_TRUE(std::filesystem::exists(path.get() + "/segment-0"));
  return code;
}

TEST(IndexFolder, ManifestsThatContradictThemselvesAreRefused) {
  EXPECT_EQ(code_with([](Manifest&) {}), "ok");
  EXPECT_EQ(code_with([](Manifest& m) { m.segments[0].removed_count = 1, m.segments[0].removed = {2}; }), "ok");
  const std::vector<std::function<void(Manifest&)>> bad = {
      [](Manifest& m) { m.next_number = 0; },
      [](Manifest& m) { m.next_number = ~std::uint64_t{0}; },
      [](Manifest& m) { m.segments[0].number = m.next_number; },
      [](Manifest& m) { m.segments[0].number = ~std::uint64_t{0}; },
      [](Manifest& m) { m.segments.push_back(m.segments[0]); },
      [](Manifest& m) { m.segments[0].documents = 3; },
      [](Manifest& m) { m.segments[0].documents = kMaxSlots + 1; },
      [](Manifest& m) { m.segments[0].documents = 0; },
      [](Manifest& m) { m.settings.dimension = 301; },
      [](Manifest& m) { m.settings.dimension = 0; },
      [](Manifest& m) { m.settings.dimension = std::uint64_t{1} << 40; },
      [](Manifest& m) { m.segments[0].removed_count = 3, m.segments[0].removed = {7}; },
      [](Manifest& m) { m.segments[0].removed_count = 1, m.segments[0].removed = {4}; },
      [](Manifest& m) { m.segments[0].removed_count = 1, m.segments[0].removed = {1, 0}; },
      [](Manifest& m) { m.segments[0].removed_count = 2, m.segments[0].removed = {1}; },
  };
  for (std::size_t i = 0; i < bad.size(); ++i) EXPECT_EQ(code_with(bad[i]), "ERR_INDEX_CORRUPT") << i;
  const auto missing = [](Manifest& m) { m.next_number = 5, m.segments[0].number = 3; };
  EXPECT_EQ(code_with(missing), "ERR_FILE_NOT_FOUND");
}

TEST(IndexFolder, SegmentsWithoutAManifestAreNoEmptyIndex) {
  const TemporaryPath path;
  {
    const auto writer = opened(path.get(), 300);
    add(*writer, {{{1, 1.0f}}}, {"a"});
  }
  const std::vector<char> manifest = read_file(path.get() + "/manifest");
  std::filesystem::remove(path.get() + "/manifest");
  EXPECT_EQ(code_of(open(path.get(), 300)), "ERR_INDEX_CORRUPT");
  EXPECT_EQ(code_of(open(path.get())), "ERR_INDEX_CORRUPT");
  EXPECT_EQ(code_of(open(path.get(), {}, true)), "ERR_INDEX_CORRUPT");
  EXPECT_FALSE(std::filesystem::exists(path.get() + "/manifest"));
  std::filesystem::create_directory(path.get() + "/manifest");
  EXPECT_EQ(code_of(open(path.get(), 300)), "ERR_FILE_UNREADABLE");
  std::filesystem::remove(path.get() + "/manifest");
  // Once it is back, so is the index.
  write_file(path.get() + "/manifest", manifest);
  EXPECT_EQ(search(*opened(path.get(), 300), {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
}

TEST(IndexFolder, FilesThatOnlyLookLikeItsOwnStay) {
  const TemporaryPath path;
  opened(path.get(), 300)->close();
  for (const char* name : {"segment-notes.txt", "segment-", "segment-1.bak"}) write_file(path.get() + "/" + name, {'x'});
  opened(path.get())->close();
  for (const char* name : {"segment-notes.txt", "segment-", "segment-1.bak"}) {
    EXPECT_TRUE(std::filesystem::exists(path.get() + "/" + name)) << name;
  }
  std::filesystem::remove(path.get() + "/manifest");
  std::filesystem::remove(path.get() + "/segment-1.bak");
  EXPECT_EQ(code_of(open(path.get(), 300)), "ok");
}

TEST(SavedIndex, OfTwoThatSaveAtOnceTheLastCounts) {
  const TemporaryPath folder;
  std::filesystem::create_directory(folder.get());
  const std::string path = folder.get() + "/index";
  const auto one = SegmentedIndex::create(300);
  add(*one, {{{1, 1.0f}}}, {"one"});
  const auto two = SegmentedIndex::create(300);
  add(*two, {{{1, 2.0f}}}, {"two"});
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> savers;
    for (const auto& index : {one, two, one, two}) {
      savers.emplace_back([&path, index] {
        const Status failure = save_file(*index->snapshot(), path, nullptr);
        EXPECT_FALSE(failure) << failure->message;
      });
    }
    for (std::thread& saver : savers) saver.join();
    const Found found = search(*opened(path), {{1, 1.0f}}, 5);
    EXPECT_TRUE(found == (Found{{"one", 1.0f}}) || found == (Found{{"two", 2.0f}}));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.get()), std::filesystem::directory_iterator()), 1);
}

TEST(SavedIndex, CleansUpWhatAKilledProcessLeft) {
  const TemporaryPath folder;
  std::filesystem::create_directory(folder.get());
  const std::string path = folder.get() + "/index";
  const std::string old_file = temporary_name(path);
  const std::string young_file = temporary_name(path);
  const std::string others = temporary_name(folder.get() + "/other");
  const std::string users = path + ".notes.tmp";
  for (const std::string& file : {old_file, young_file, others, users}) write_file(file, {'x'});
  for (const std::string& file : {old_file, others, users}) {
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  }
  EXPECT_FALSE(save_file(*SegmentedIndex::create(300)->snapshot(), path, nullptr));
  EXPECT_FALSE(std::filesystem::exists(old_file));
  for (const std::string& file : {young_file, others, users, path}) EXPECT_TRUE(std::filesystem::exists(file)) << file;
}

TEST(SavedIndex, NeverReplacesWhatIsNoFile) {
  const TemporaryPath folder;
  std::filesystem::create_directory(folder.get());
  const Status failure = save_file(*SegmentedIndex::create(300)->snapshot(), folder.get(), nullptr);
  ASSERT_TRUE(failure);
  EXPECT_STREQ(failure->code, "ERR_FILE_UNWRITABLE");
  using namespace std::string_literals;
  const std::string victim = folder.get() + "/victim.txt";
  write_file(victim, {'x'});
  const Status cut = save_file(*SegmentedIndex::create(300)->snapshot(), victim + "\0.index"s, nullptr);
  ASSERT_TRUE(cut);
  EXPECT_STREQ(cut->code, "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(read_file(victim), std::vector<char>{'x'});
  EXPECT_EQ(code_of(open(victim + "\0"s, 300)), "ERR_INVALID_ARGUMENT");
}

#ifndef _WIN32
/// Windows refuses to write to a mapped file.
TEST(SavedIndex, WrittenOverInPlaceIsRefused) {
  const TemporaryPath path;
  const auto source = SegmentedIndex::create(300);
  add(*source, {{{1, 1.0f}}}, {"a"});
  ASSERT_FALSE(save_file(*source->snapshot(), path.get(), nullptr));
  const auto index = opened(path.get());
  EXPECT_FALSE(index->snapshot()->check_unchanged());
  // As `cp other index` does it: the same file, emptied, then of the same size.
  const std::vector<char> bytes = read_file(path.get());
  std::ofstream(path.get(), std::ios::binary | std::ios::trunc).flush();
  const std::vector<std::function<Status()>> calls = {
      [&] { return index->snapshot()->check_unchanged(); },
      [&] { return save_file(*index->snapshot(), path.get() + ".copy", nullptr); },
      [&] { return index->add({TestRows{{{1, 1.0f}}}.view(), TestStrings({"b"}).view(), {}}); },
      [&] {
        auto removed = index->remove(TestStrings({"a"}).view());
        return removed ? Status() : Status(removed.error());
      },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Status failure = calls[i]();
    ASSERT_TRUE(failure) << i;
    EXPECT_STREQ(failure->code, "ERR_INDEX_CORRUPT");
  }
  std::ofstream(path.get(), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(index->snapshot()->check_unchanged());
  EXPECT_EQ(code_of(open(path.get())), "ok");
}

TEST(SavedIndex, ReplacedByARenameStaysReadable) {
  const TemporaryPath path;
  const auto source = SegmentedIndex::create(300);
  add(*source, {{{1, 1.0f}}}, {"a"});
  ASSERT_FALSE(save_file(*source->snapshot(), path.get(), nullptr));
  const auto index = opened(path.get());
  ASSERT_FALSE(save_file(*SegmentedIndex::create(300)->snapshot(), path.get(), nullptr));
  EXPECT_FALSE(index->snapshot()->check_unchanged());
  EXPECT_EQ(search(*index, {{1, 1.0f}}, 5), (Found{{"a", 1.0f}}));
}
#endif

}  // namespace
}  // namespace sparse_rerank
