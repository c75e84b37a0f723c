#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/index_fixture.h"

namespace sparse_rerank {

inline std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, const std::vector<char>& bytes) {
  // A new file: the old one may be mapped.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline Result<std::shared_ptr<SegmentedIndex>> open(const std::string& path, std::optional<std::size_t> dimension = {},
                                                    bool read_only = false) {
  return SegmentedIndex::open(path, {dimension, read_only});
}

inline std::shared_ptr<SegmentedIndex> opened(const std::string& path, std::optional<std::size_t> dimension = {}, bool read_only = false) {
  auto index = open(path, dimension, read_only);
  EXPECT_TRUE(index.ok()) << index.error().message;
  return index.ok() ? index.value() : SegmentedIndex::create(1);
}

inline std::string code_of(const Result<std::shared_ptr<SegmentedIndex>>& result) {
  return result.ok() ? "ok" : result.error().code;
}

}  // namespace sparse_rerank
