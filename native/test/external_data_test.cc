#include "inference/external_data.h"

#include <gtest/gtest.h>

#ifndef _WIN32
#include <sys/stat.h>
#endif

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace sparse_rerank {
namespace {

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

/// A length-delimited field.
std::string field(std::uint64_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

std::string tensor_in(const std::string& location) {
  const std::string other = field(13, field(1, "offset") + field(2, "4096"));
  return varint(2 << 3) + varint(300) + other + field(13, field(1, "location") + field(2, location));
}

std::vector<std::string> locations(const std::string& model) {
  return external_locations(std::as_bytes(std::span(model)));
}

TEST(ExternalData, IsFoundWhereverTensorsAre) {
  const std::string initializer = field(5, tensor_in("a"));
  const std::string sparse = field(15, field(1, tensor_in("b")) + field(2, tensor_in("c")));
  const std::string constant = field(1, field(5, field(5, tensor_in("d"))));
  const std::string subgraph = field(1, field(5, field(6, field(5, tensor_in("e")))));
  const std::string functions = field(25, field(7, field(5, field(10, tensor_in("f")))));
  const std::string model = varint(1 << 3) + varint(10) + field(7, initializer + sparse + constant + subgraph) + functions;
  EXPECT_EQ(locations(model), (std::vector<std::string>{"a", "b", "c", "d", "e", "f"}));
  EXPECT_TRUE(locations("").empty());
  // A truncated message yields some of the locations and is not read beyond its end.
  for (std::size_t size = 0; size < model.size(); ++size) EXPECT_LE(locations(model.substr(0, size)).size(), 6U);
}

TEST(ExternalData, NoBytesAreReadBeyondTheEnd) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : 0x2a + 8 * (random() % 3));
    (void)locations(bytes);
  }
  std::string deep = tensor_in("x");
  for (int i = 0; i < 5000; ++i) deep = field(5, field(6, field(1, deep)));
  (void)locations(field(7, field(1, deep)));
}

TEST(ExternalData, InPipesIsRefusedAtOnce) {
#ifdef _WIN32
  GTEST_SKIP() << "Windows has no named pipes in its file system";
#else
  const auto folder = std::filesystem::temp_directory_path() / ("sr-onnx-" + std::to_string(std::random_device()()));
  std::filesystem::create_directory(folder);
  const std::string model = (folder / "model.onnx").string();
  std::ofstream(model, std::ios::binary) << field(7, field(5, tensor_in("weights")));
  EXPECT_FALSE(check_onnx_files(model));  // absent: ONNX Runtime reports it
  std::ofstream(folder / "weights") << "x";
  EXPECT_FALSE(check_onnx_files(model));
  std::filesystem::remove(folder / "weights");
  ASSERT_EQ(mkfifo((folder / "weights").c_str(), 0600), 0);
  const Status refused = check_onnx_files(model);
  ASSERT_TRUE(refused);
  EXPECT_STREQ(refused->code, "ERR_FILE_UNREADABLE");
  EXPECT_STREQ(check_onnx_files((folder / "weights").string())->code, "ERR_FILE_UNREADABLE");
  EXPECT_STREQ(check_onnx_files((folder / "absent").string())->code, "ERR_FILE_NOT_FOUND");
  std::filesystem::remove_all(folder);
#endif
}

}  // namespace
}  // namespace sparse_rerank
