#include "core/stored_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/temporary_name.h"

namespace sparse_rerank {
namespace {

namespace fs = std::filesystem;

Digest digest_of(const std::vector<unsigned char>& bytes) {
  Digester digester;
  digester.add(std::as_bytes(std::span(bytes)));
  return digester.digest();
}

TEST(Digest, ChangesWithEveryBitAndLength) {
  std::set<std::string> seen;
  for (std::size_t size = 0; size <= 130; ++size) {
    EXPECT_TRUE(seen.insert(digest_of(std::vector<unsigned char>(size)).hex()).second) << size << " zeros";
  }
  std::vector<unsigned char> bytes(200);
  const std::string before = digest_of(bytes).hex();
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<unsigned char>(1U << bit % 8);
    EXPECT_TRUE(seen.insert(digest_of(bytes).hex()).second) << "bit " << bit;
    bytes[bit / 8] ^= static_cast<unsigned char>(1U << bit % 8);
  }
  EXPECT_EQ(digest_of(bytes).hex(), before);
  EXPECT_EQ(before.size(), 32U);
}

// Sets the highest bit of two 64-bit lanes: such differences must not cancel.
TEST(Digest, SeesPairsOfHighBits) {
  std::set<std::string> seen;
  for (std::size_t a = 7; a < 512; a += 8) {
    for (std::size_t b = a + 8; b < 512; b += 8) {
      std::vector<unsigned char> bytes(512);
      bytes[a] = 0x80;
      bytes[b] = 0x80;
      EXPECT_TRUE(seen.insert(digest_of(bytes).hex()).second) << a << " and " << b;
    }
  }
}

class StoredFiles : public testing::Test {
 protected:
  StoredFiles() : folder_(fs::temp_directory_path() / ("sparse-rerank-stored-" + std::to_string(std::random_device()()))) {}
  ~StoredFiles() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string folder() const { return (folder_ / "deep").string(); }
  [[nodiscard]] fs::path file() const { return fs::path(folder()) / kKey.hex(); }
  [[nodiscard]] bool write() const { return StoredFile::write(folder(), kKey, std::as_bytes(std::span(payload_))); }
  [[nodiscard]] bool opens() const {
    const auto stored = StoredFile::open(folder(), kKey, payload_.size());
    return stored && std::memcmp(stored->payload().data(), payload_.data(), payload_.size()) == 0;
  }

  static constexpr Digest kKey{1, 2};
  fs::path folder_;
  std::vector<unsigned char> payload_ = std::vector<unsigned char>(1000, 7);
};

TEST_F(StoredFiles, ComeBack) {
  EXPECT_FALSE(opens());
  ASSERT_TRUE(write());
  EXPECT_TRUE(opens());
  const auto stored = StoredFile::open(folder(), kKey, payload_.size());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stored->payload().data()) % 64, 0U);
  EXPECT_FALSE(StoredFile::open(folder(), {1, 3}, payload_.size()));
  EXPECT_FALSE(StoredFile::open(folder(), kKey, payload_.size() - 1));
}

TEST_F(StoredFiles, AreRefusedWithAnyBitFlipped) {
  ASSERT_TRUE(write());
  const auto size = fs::file_size(file());
  for (std::uintmax_t at = 0; at < size; at += at < 70 ? 1 : 37) {
    std::fstream stream(file(), std::ios::binary | std::ios::in | std::ios::out);
    stream.seekg(static_cast<std::streamoff>(at));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 4));
    stream.close();
    EXPECT_FALSE(opens()) << "byte " << at;
    ASSERT_TRUE(write());
  }
  EXPECT_TRUE(opens());
}

TEST_F(StoredFiles, AreRefusedWhenTruncatedOrExtended) {
  for (const std::uintmax_t size : {0U, 1U, 63U, 64U, 500U, 1063U, 1065U}) {
    ASSERT_TRUE(write());
    fs::resize_file(file(), size);
    EXPECT_FALSE(opens()) << size << " bytes";
  }
}

TEST_F(StoredFiles, AreNotWrittenWhereAFileIsInTheWay) {
  fs::create_directories(folder_);
  std::ofstream(folder()) << "not a folder";
  EXPECT_FALSE(write());
  EXPECT_FALSE(opens());
}

TEST_F(StoredFiles, LeaveNothingUnfinishedAndRemoveWhatOthersLeft) {
  ASSERT_TRUE(write());
  const fs::path old_file = temporary_name(folder() + "/one");
  const fs::path new_file = temporary_name(folder() + "/two");
  std::ofstream(old_file) << "x";
  std::ofstream(new_file) << "x";
  fs::last_write_time(old_file, fs::file_time_type::clock::now() - std::chrono::hours(48));
  ASSERT_TRUE(write());
  EXPECT_FALSE(fs::exists(old_file));
  EXPECT_TRUE(fs::exists(new_file));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder()), fs::directory_iterator()), 2);
}

TEST_F(StoredFiles, MayBeWrittenAndReadAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 25; ++round) {
        EXPECT_TRUE(write());
        EXPECT_TRUE(opens());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder()), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace sparse_rerank
