#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/mapped_file.h"
#include "core/result.h"

namespace sparse_rerank {

enum class WeightType { kF32, kF16, kBF16 };

[[nodiscard]] constexpr std::size_t element_bytes(WeightType type) {
  return type == WeightType::kF32 ? 4 : 2;
}

/// Where a tensor lies in the weight files.
struct TensorLocation {
  std::size_t file = 0;
  std::uint64_t offset = 0;  // bytes from the file's beginning
  WeightType type = WeightType::kF32;
  std::vector<std::int64_t> shape;  // row-major
};

/// The nearest fp16, ties to even; beyond the largest it is infinite.
[[nodiscard]] std::uint16_t half_of(float value);
/// The nearest bf16, ties to even.
[[nodiscard]] std::uint16_t bfloat_of(float value);

/// Widens `count` values at any alignment into floats.
void copy_floats(const std::byte* data, WeightType type, std::size_t count, float* out);

/// The weight files of one model, memory-mapped. fp32 tensors are used where they lie; fp16 and bf16 ones are widened once into memory of
/// our own. Spans stay valid for the life of this object. Not thread-safe: used while a model loads.
class Weights {
 public:
  /// Of no file.
  Weights() = default;
  static Result<Weights> open(std::span<const std::string> paths);

  /// Errors: ERR_INVALID_WEIGHTS when the tensor does not lie within its file.
  Result<std::span<const float>> tensor(const TensorLocation& location);

  /// The same in fp16 or bf16: where it lies, or narrowed once into memory of our own.
  Result<std::span<const std::uint16_t>> narrowed(const TensorLocation& location, WeightType type);

  /// The tensor as it lies in its file. Same errors.
  [[nodiscard]] Result<std::span<const std::byte>> bytes(const TensorLocation& location) const;

  /// Of the files, as open() was given them.
  [[nodiscard]] std::span<const std::string> paths() const { return paths_; }

  /// Once a model is loaded: most weights have been packed, or widened, into memory of their own and are not read again.
  void release_pages() const {
    for (const MappedFile& file : files_) file.release_pages();
  }

  /// Refuses files that were written over since they were opened. Errors: ERR_INVALID_WEIGHTS.
  [[nodiscard]] Status check_unchanged() const;

  /// Bytes mapped from files, and bytes of widened copies.
  [[nodiscard]] std::size_t mapped_bytes() const;
  [[nodiscard]] std::size_t copied_bytes() const;

 private:
  Weights(std::span<const std::string> paths, std::vector<MappedFile> files)
      : paths_(paths.begin(), paths.end()), files_(std::move(files)) {}

  /// All that a copy depends on, so that it is made once, for a tensor that is both embedding and decoder, and never changes: sessions read
  /// it where it lies. Tensors of a hostile file may begin at one place with different lengths and types.
  struct CopyKey {
    std::size_t file;
    std::uint64_t offset;
    WeightType from;
    WeightType to;
    std::size_t count;
    auto operator<=>(const CopyKey&) const = default;
  };

  std::vector<std::string> paths_;
  std::vector<MappedFile> files_;
  std::map<CopyKey, AlignedBuffer<float>> widened_;
  std::map<CopyKey, AlignedBuffer<std::uint16_t>> narrowed_;
};

}  // namespace sparse_rerank
