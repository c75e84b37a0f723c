#include "inference/int8_weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace sparse_rerank {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kOutputs = 50;
constexpr std::int64_t kInputs = 33;
constexpr std::size_t kCount = kOutputs * kInputs;

/// One matrix as F32, then as BF16 at an odd offset, then a bias.
class Int8WeightsTest : public testing::Test {
 protected:
  Int8WeightsTest() : folder_(fs::temp_directory_path() / ("sparse-rerank-int8-" + std::to_string(std::random_device()()))) {
    fs::create_directories(folder_);
    std::mt19937 random(1);
    std::uniform_real_distribution<float> values(-1, 1);
    std::vector<char> bytes(kHalves + 2 * kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      // Values that bfloat16 represents exactly.
      const auto half = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values(random)) >> 16);
      const std::uint32_t whole = static_cast<std::uint32_t>(half) << 16;
      std::memcpy(bytes.data() + 4 * i, &whole, 4);
      std::memcpy(bytes.data() + kHalves + 2 * i, &half, 2);
    }
    write(bytes);
  }
  ~Int8WeightsTest() override { fs::remove_all(folder_); }

  void write(const std::vector<char>& bytes) const {
    std::ofstream(file(), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] std::string file() const { return (folder_ / "weights").string(); }
  [[nodiscard]] std::string cache() const { return (folder_ / "cache").string(); }

  struct Loaded {
    std::vector<float> output;
    std::size_t owned;
  };

  /// Loads the layer and computes its output for a fixed input.
  [[nodiscard]] Loaded load(const Int8LayerSpec& spec, const std::string& cache_folder) const {
    const std::vector<std::string> files = {file()};
    auto weights = Weights::open(files);
    EXPECT_TRUE(weights);
    auto loaded = Int8Weights::load({&spec, 1}, weights.value(), cache_folder);
    EXPECT_TRUE(loaded) << loaded.error().message;
    const std::vector<float> x(2 * kInputs, 0.5F);
    std::vector<float> out(2 * kOutputs);
    Int8Linear::Scratch scratch;
    loaded.value().layers().front().apply(x.data(), 2, scratch, out.data());
    return {out, loaded.value().owned_bytes()};
  }

  static constexpr std::size_t kHalves = 4 * kCount + 1;
  fs::path folder_;
  const Int8LayerSpec floats_{{0, 0, WeightType::kF32, {kOutputs, kInputs}}, std::nullopt};
  const Int8LayerSpec halves_{{0, kHalves, WeightType::kBF16, {kOutputs, kInputs}}, std::nullopt};
};

TEST_F(Int8WeightsTest, AreTheSameWithoutCacheFirstWithItAndFromIt) {
  const Loaded plain = load(floats_, "");
  EXPECT_GT(plain.owned, 0U);
  for (int round = 0; round < 2; ++round) {
    const Loaded cached = load(floats_, cache());
    EXPECT_EQ(cached.output, plain.output);
    EXPECT_EQ(cached.owned, 0U);
  }
  EXPECT_EQ(load(halves_, "").output, plain.output);
}

TEST_F(Int8WeightsTest, AreKeptApartByTheirWeights) {
  const Loaded before = load(floats_, cache());
  std::fstream stream(file(), std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(3);
  stream.put(0x7e);
  stream.close();
  EXPECT_NE(load(floats_, cache()).output, before.output);
  EXPECT_EQ(std::distance(fs::directory_iterator(cache()), fs::directory_iterator()), 2);
}

// The digest is not cryptographic: a hostile checkpoint could be crafted to have the digest of another.
TEST_F(Int8WeightsTest, AreKeptApartByWhereTheyLie) {
  const Loaded before = load(floats_, cache());
  const fs::path other = folder_ / "other";
  fs::copy_file(file(), other);
  const std::vector<std::string> files = {other.string()};
  auto weights = Weights::open(files);
  ASSERT_TRUE(weights);
  EXPECT_TRUE(Int8Weights::load({&floats_, 1}, weights.value(), cache()));
  EXPECT_EQ(std::distance(fs::directory_iterator(cache()), fs::directory_iterator()), 2);
  EXPECT_EQ(load(floats_, cache()).output, before.output);
  EXPECT_EQ(std::distance(fs::directory_iterator(cache()), fs::directory_iterator()), 2);
}

TEST_F(Int8WeightsTest, AreMadeAgainWhenTheCacheIsDamaged) {
  const Loaded first = load(floats_, cache());
  const fs::path stored = fs::directory_iterator(cache())->path();
  const auto size = fs::file_size(stored);
  fs::resize_file(stored, size / 2);
  EXPECT_EQ(load(floats_, cache()).output, first.output);
  EXPECT_EQ(fs::file_size(stored), size);
}

TEST_F(Int8WeightsTest, NeedNoUsableCacheFolder) {
  // A file instead of the folder.
  const Loaded loaded = load(floats_, file());
  EXPECT_EQ(loaded.output, load(floats_, "").output);
  EXPECT_GT(loaded.owned, 0U);
}

TEST_F(Int8WeightsTest, RefuseWhatDoesNotFit) {
  const std::vector<std::string> files = {file()};
  auto weights = Weights::open(files);
  ASSERT_TRUE(weights);
  const auto code = [&](const Int8LayerSpec& spec) {
    const auto loaded = Int8Weights::load({&spec, 1}, weights.value(), "");
    return loaded ? std::string() : std::string(loaded.error().code);
  };
  EXPECT_EQ(code({{0, 0, WeightType::kF32, {10000, 10000}}, std::nullopt}), "ERR_INVALID_WEIGHTS");
  EXPECT_EQ(code({{0, 0, WeightType::kF32, {kOutputs}}, std::nullopt}), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code({floats_.weight, TensorLocation{0, 0, WeightType::kF32, {3}}}), "ERR_TENSOR_MISMATCH");
  EXPECT_EQ(code({{0, 0, WeightType::kF32, {0, 70000}}, std::nullopt}), "ERR_NOT_SUPPORTED");
}

}  // namespace
}  // namespace sparse_rerank
