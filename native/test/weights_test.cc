#include "inference/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/pages.h"

namespace sparse_rerank {
namespace {

/// A file with the given bytes, removed at the end of the test. CTest runs each test in its own process, several at a time, so the name is
/// random rather than counted.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<char>& bytes)
      : path_((std::filesystem::temp_directory_path() / ("sparse-rerank-weights-" + random_name())).string()) {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::vector<std::string> paths() const { return {path_}; }

 private:
  static std::string random_name() {
    std::random_device random;
    return std::to_string(random()) + std::to_string(random());
  }
  std::string path_;
};

std::vector<char> floats(std::size_t leading_bytes, const std::vector<float>& values) {
  std::vector<char> bytes(leading_bytes + values.size() * sizeof(float));
  std::memcpy(bytes.data() + leading_bytes, values.data(), values.size() * sizeof(float));
  return bytes;
}

TEST(Weights, AlignedFloatsAreUsedInPlace) {
  const TemporaryFile file(floats(8, {1, 2, 3, 4, 5, 6}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  const auto tensor = weights.value().tensor({0, 8, WeightType::kF32, {2, 3}});
  ASSERT_TRUE(tensor);
  EXPECT_EQ(std::vector<float>(tensor.value().begin(), tensor.value().end()), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(weights.value().copied_bytes(), 0U);
  EXPECT_EQ(weights.value().mapped_bytes(), 32U);
}

TEST(Weights, MisalignedFloatsAreCopied) {
  const TemporaryFile file(floats(5, {1.5F, -2}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  const auto tensor = weights.value().tensor({0, 5, WeightType::kF32, {2}});
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor.value()[0], 1.5F);
  EXPECT_EQ(tensor.value()[1], -2);
  EXPECT_GT(weights.value().copied_bytes(), 0U);
}

TEST(Weights, CopiesAreDiscardedAndMadeAgain) {
  if (!kDiscardsPages) GTEST_SKIP() << "this system has no way to discard pages";
  constexpr std::size_t kCount = 1 << 16;
  std::vector<char> bytes(8 + 2 * kCount);
  const std::uint16_t half = 0x3E00;  // 1.5
  for (std::size_t i = 0; i < kCount; ++i) std::memcpy(bytes.data() + 8 + 2 * i, &half, sizeof half);
  const TemporaryFile file(bytes);
  auto opened = Weights::open(file.paths());
  ASSERT_TRUE(opened);
  Weights& weights = opened.value();
  const TensorLocation location{0, 8, WeightType::kF16, {kCount}};
  const auto tensor = weights.tensor(location);
  ASSERT_TRUE(tensor);
  const std::size_t whole = weights.copied_bytes();
  EXPECT_EQ(whole, kCount * sizeof(float));
  weights.discard({0, 8, WeightType::kF16, {2}});
  EXPECT_EQ(weights.copied_bytes(), whole) << "another tensor";
  weights.discard(location);
  weights.discard(location);
  EXPECT_LT(weights.copied_bytes(), whole / 4);
  EXPECT_EQ(tensor.value()[kCount / 2], 0);
  weights.restore();
  EXPECT_EQ(weights.copied_bytes(), whole);
  EXPECT_TRUE(std::all_of(tensor.value().begin(), tensor.value().end(), [](float value) { return value == 1.5F; }));
}

TEST(Weights, HalvesAreWidenedOnceWhateverTheirAlignment) {
  for (const std::size_t leading : {8U, 7U}) {
    std::vector<char> bytes(leading + 4);
    const std::uint16_t halves[] = {0x3E00, 0xC000};  // 1.5 and -2 in binary16
    std::memcpy(bytes.data() + leading, halves, sizeof halves);
    const TemporaryFile file(bytes);
    auto weights = Weights::open(file.paths());
    ASSERT_TRUE(weights);
    const TensorLocation location{0, leading, WeightType::kF16, {2}};
    const auto tensor = weights.value().tensor(location);
    ASSERT_TRUE(tensor);
    EXPECT_EQ(tensor.value()[0], 1.5F);
    EXPECT_EQ(tensor.value()[1], -2);
    EXPECT_EQ(weights.value().tensor(location).value().data(), tensor.value().data());
  }
}

TEST(Weights, BrainFloatsAreWidened) {
  const TemporaryFile file({static_cast<char>(0xC0), 0x3F});  // 1.5 in bfloat16
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights.value().tensor({0, 0, WeightType::kBF16, {1}}).value()[0], 1.5F);
}

TEST(Halves, EveryValueComesBackAndWhatLiesBetweenGoesToTheNearest) {
  const auto widened = [](std::uint16_t half) {
    float value = 0;
    copy_floats(reinterpret_cast<const std::byte*>(&half), WeightType::kF16, 1, &value);
    return value;
  };
  for (std::uint32_t half = 0; half < 0x7c00; ++half) {
    const float value = widened(static_cast<std::uint16_t>(half));
    ASSERT_EQ(half_of(value), half);
    ASSERT_EQ(half_of(-value), half | 0x8000U);
    if (half == 0x7bff) break;
    const float next = widened(static_cast<std::uint16_t>(half + 1));
    const float middle = (value + next) / 2;  // exact: fp32 has 13 more bits
    ASSERT_EQ(half_of(middle), half + (half & 1U));
    ASSERT_EQ(half_of(std::nextafter(middle, 0.0F)), half);
    ASSERT_EQ(half_of(std::nextafter(middle, 1e9F)), half + 1);
  }
  EXPECT_EQ(half_of(65519.0F), 0x7bff);
  EXPECT_EQ(half_of(65520.0F), 0x7c00);
  EXPECT_EQ(half_of(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(half_of(std::numeric_limits<float>::quiet_NaN()), 0x7e00);
  EXPECT_EQ(half_of(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Halves, AreReadWhereTheyLieOrNarrowed) {
  const TemporaryFile file({0, 0x3E, static_cast<char>(0xC0), 0x3F, 0, 0, static_cast<char>(0xC0), 0x3F});  // 1.5 as fp16, bf16 and fp32
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  for (const TensorLocation& location : {TensorLocation{0, 0, WeightType::kF16, {1}}, TensorLocation{0, 2, WeightType::kBF16, {1}},
                                         TensorLocation{0, 4, WeightType::kF32, {1}}}) {
    auto halves = weights.value().narrowed(location, WeightType::kF16);
    ASSERT_TRUE(halves);
    ASSERT_EQ(halves.value().size(), 1U);
    EXPECT_EQ(halves.value()[0], 0x3E00);
  }
  EXPECT_EQ(weights.value().copied_bytes(), 4U);
  EXPECT_STREQ(weights.value().narrowed({0, 6, WeightType::kF32, {1}}, WeightType::kF16).error().code, "ERR_INVALID_WEIGHTS");
}

// A session reads the spans for its lifetime: AddressSanitizer reports a replaced copy as a use after free.
TEST(Weights, TensorsThatBeginAtOnePlaceHaveCopiesOfTheirOwn) {
  const std::vector<std::uint16_t> halves = {0x3C00, 0x4000, 0x4200, 0x4400};  // 1, 2, 3, 4 as fp16
  std::vector<char> bytes(halves.size() * sizeof(std::uint16_t));
  std::memcpy(bytes.data(), halves.data(), bytes.size());
  const TemporaryFile file(bytes);
  auto opened = Weights::open(file.paths());
  ASSERT_TRUE(opened);
  Weights& weights = opened.value();

  const auto shorter = weights.tensor({0, 0, WeightType::kF16, {1}}).value();
  const auto longer = weights.tensor({0, 0, WeightType::kF16, {2, 2}}).value();
  const auto other_type = weights.tensor({0, 0, WeightType::kBF16, {4}}).value();
  EXPECT_EQ(std::vector<float>(shorter.begin(), shorter.end()), std::vector<float>{1});
  EXPECT_EQ(std::vector<float>(longer.begin(), longer.end()), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(other_type[1], 2.0F);  // 0x4000 is 2 in both types
  EXPECT_EQ(other_type[0], std::bit_cast<float>(0x3C000000U));
  EXPECT_EQ(weights.tensor({0, 0, WeightType::kF16, {4}}).value().data(), longer.data());

  const auto short_narrowed = weights.narrowed({0, 0, WeightType::kF16, {1}}, WeightType::kBF16).value();
  const auto long_narrowed = weights.narrowed({0, 0, WeightType::kF16, {4}}, WeightType::kBF16).value();
  const auto as_fp16 = weights.narrowed({0, 0, WeightType::kBF16, {4}}, WeightType::kF16).value();
  EXPECT_EQ(short_narrowed[0], bfloat_of(1));
  EXPECT_EQ(long_narrowed[3], bfloat_of(4));
  EXPECT_EQ(as_fp16[1], half_of(2));
}

TEST(Weights, NarrowedCopiesAreOfTheTypeThatIsAskedFor) {
  const TemporaryFile file(floats(0, {1.5F}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  const TensorLocation location{0, 0, WeightType::kF32, {1}};
  EXPECT_EQ(weights.value().narrowed(location, WeightType::kF16).value()[0], half_of(1.5F));
  EXPECT_EQ(weights.value().narrowed(location, WeightType::kBF16).value()[0], bfloat_of(1.5F));
}

TEST(Weights, EmptyTensorsOfAnyType) {
  const TemporaryFile file(floats(1, {1}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  EXPECT_TRUE(weights.value().tensor({0, 1, WeightType::kF32, {0, 7}}).value().empty());
  EXPECT_TRUE(weights.value().narrowed({0, 1, WeightType::kF32, {0}}, WeightType::kF16).value().empty());
}

TEST(Weights, WhatLiesOutsideTheFileIsRefused) {
  const TemporaryFile file(floats(0, {1, 2, 3, 4}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const std::vector<TensorLocation> bad = {
      {1, 0, WeightType::kF32, {1}},           {0, 0, WeightType::kF32, {5}},
      {0, 4, WeightType::kF32, {4}},           {0, 17, WeightType::kF32, {0}},
      {0, 0, WeightType::kF32, {kHuge, 4}},    {0, 0, WeightType::kF32, {-1}},
      {0, 0, WeightType::kF16, {kHuge, 2, 2}}, {0, std::numeric_limits<std::uint64_t>::max(), WeightType::kF32, {1}},
  };
  for (const TensorLocation& location : bad) {
    const auto tensor = weights.value().tensor(location);
    ASSERT_FALSE(tensor);
    EXPECT_STREQ(tensor.error().code, "ERR_INVALID_WEIGHTS");
  }
}

TEST(Weights, UnreadableFiles) {
  const std::vector<std::string> missing = {"/nonexistent/model.safetensors"};
  EXPECT_STREQ(Weights::open(missing).error().code, "ERR_FILE_NOT_FOUND");
  const std::vector<std::string> folder = {std::filesystem::temp_directory_path().string()};
  EXPECT_STREQ(Weights::open(folder).error().code, "ERR_FILE_UNREADABLE");
  const TemporaryFile empty(std::vector<char>{});
  auto weights = Weights::open(empty.paths());
  ASSERT_TRUE(weights);
  EXPECT_FALSE(weights.value().tensor({0, 0, WeightType::kF32, {1}}));
}

TEST(BrainFloats, EveryValueComesBackAndWhatLiesBetweenGoesToTheNearest) {
  const auto widened = [](std::uint32_t bits) { return std::bit_cast<float>(bits << 16); };
  for (std::uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const float value = widened(bits);
    ASSERT_EQ(bfloat_of(value), bits);
    ASSERT_EQ(bfloat_of(-value), bits | 0x8000U);
    const float middle = std::bit_cast<float>(bits << 16 | 0x8000U);
    ASSERT_EQ(bfloat_of(middle), bits + (bits & 1U));
    ASSERT_EQ(bfloat_of(std::nextafter(middle, 0.0F)), bits);
    ASSERT_EQ(bfloat_of(std::nextafter(middle, std::numeric_limits<float>::infinity())), bits + 1);
  }
  EXPECT_EQ(bfloat_of(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_EQ(bfloat_of(std::numeric_limits<float>::quiet_NaN()) & 0x7fc0, 0x7fc0);
  EXPECT_TRUE(std::isnan(widened(bfloat_of(std::bit_cast<float>(0x7f800001U)))));
}

TEST(Weights, FilesThatWereWrittenOverAreRefused) {
  const TemporaryFile file(floats(0, {1, 2, 3, 4}));
  auto weights = Weights::open(file.paths());
  ASSERT_TRUE(weights);
  EXPECT_FALSE(weights.value().check_unchanged());
  std::filesystem::resize_file(file.paths().front(), 4);
  const Status changed = weights.value().check_unchanged();
  ASSERT_TRUE(changed);
  EXPECT_STREQ(changed->code, "ERR_INVALID_WEIGHTS");
}

}  // namespace
}  // namespace sparse_rerank
