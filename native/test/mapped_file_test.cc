#include "core/mapped_file.h"

#include <gtest/gtest.h>

#ifndef _WIN32
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#endif

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "core/durable_file.h"

namespace sparse_rerank {
namespace {

class MappedFiles : public testing::Test {
 protected:
  MappedFiles() : folder_(std::filesystem::temp_directory_path() / ("sr-mapped-" + std::to_string(std::random_device()()))) {
    std::filesystem::create_directory(folder_);
  }
  ~MappedFiles() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string file(const std::string& name, const std::string& text) const {  // NOLINT(modernize-use-nodiscard): creates a file
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

std::string code_of(const std::string& path) {
  const auto file = MappedFile::open(path);
  return file ? "ok" : file.error().code;
}

TEST_F(MappedFiles, OnlyRegularFilesAreOpened) {
  EXPECT_EQ(code_of(file("file", "text")), "ok");
  EXPECT_EQ(code_of(file("empty", "")), "ok");
  EXPECT_EQ(code_of(path("absent")), "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(code_of(path("file/below")), "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(code_of(path("")), "ERR_FILE_UNREADABLE");  // the folder
  using namespace std::string_literals;
  EXPECT_EQ(code_of(path("file") + "\0.safetensors"s), "ERR_INVALID_ARGUMENT");
  EXPECT_FALSE(require_regular_file(path("file")));
  EXPECT_STREQ(require_regular_file(path("absent"))->code, "ERR_FILE_NOT_FOUND");
  EXPECT_STREQ(require_regular_file(path(""))->code, "ERR_FILE_UNREADABLE");
}

#ifndef _WIN32
TEST_F(MappedFiles, PipesSocketsAndDevicesAreRefusedAtOnce) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of(path("pipe")), "ERR_FILE_UNREADABLE");
  std::filesystem::create_symlink(path("pipe"), path("link"));
  EXPECT_EQ(code_of(path("link")), "ERR_FILE_UNREADABLE");
  EXPECT_STREQ(require_regular_file(path("link"))->code, "ERR_FILE_UNREADABLE");
  for (const char* device : {"/dev/null", "/dev/zero"}) EXPECT_EQ(code_of(device), "ERR_FILE_UNREADABLE") << device;

  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path("socket");
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, name.data(), name.size());
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(code_of(name), "ERR_FILE_UNREADABLE");
  close(descriptor);
}

TEST_F(MappedFiles, KnowWhenTheyWereWrittenOver) {
  const std::string name = file("file", "0123456789");
  auto opened = MappedFile::open(name);
  ASSERT_TRUE(opened);
  const MappedFile mapped = std::move(opened).value();
  EXPECT_TRUE(mapped.unchanged());
  // Links from and to other names do not change the contents.
  std::filesystem::create_hard_link(name, path("other"));
  std::filesystem::permissions(name, std::filesystem::perms::owner_read);
  EXPECT_TRUE(mapped.unchanged());
  std::filesystem::remove(name);
  file("file", "another file");
  EXPECT_TRUE(mapped.unchanged());
  std::filesystem::permissions(path("other"), std::filesystem::perms::owner_all);
  std::filesystem::resize_file(path("other"), 3);
  EXPECT_FALSE(mapped.unchanged());
  file("other", "9876543210");
  EXPECT_FALSE(mapped.unchanged());
}
#endif

TEST_F(MappedFiles, ANewFileIsNeverWrittenOverAnother) {
  const std::string name = file("file", "before");
  auto before = MappedFile::open(name);
  ASSERT_TRUE(before);
  std::filesystem::create_symlink(name, path("link"));
  for (const std::string& target : {path("link"), name}) {
    auto writer = FileWriter::create(target);
    ASSERT_TRUE(writer);
    EXPECT_FALSE(writer.value().write(std::as_bytes(std::span("after", 5))));
    EXPECT_FALSE(writer.value().finish());
  }
  EXPECT_TRUE(before.value().unchanged());
  EXPECT_EQ(std::memcmp(before.value().bytes().data(), "before", 6), 0);
}

}  // namespace
}  // namespace sparse_rerank
