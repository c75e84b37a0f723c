#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
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

/// The location of a tensor in the weight files.
struct TensorLocation {
  std::size_t file = 0;
  std::uint64_t offset = 0;  // in bytes from the start of the file
  WeightType type = WeightType::kF32;
  std::vector<std::int64_t> shape;  // row-major
};

/// The nearest fp16, ties to even; infinite beyond the largest.
[[nodiscard]] std::uint16_t half_of(float value);
/// The nearest bf16, ties to even.
[[nodiscard]] std::uint16_t bfloat_of(float value);

/// Widens `count` values of any alignment to floats.
void copy_floats(const std::byte* data, WeightType type, std::size_t count, float* out);

/// The memory-mapped weight files of a model. fp32 tensors are used in place; fp16 and bf16 ones are widened once into private memory.
/// Spans are valid for the lifetime of this object. Not thread-safe: used while a model loads.
class Weights {
 public:
  /// No files.
  Weights() = default;
  static Result<Weights> open(std::span<const std::string> paths);

  /// Errors: ERR_INVALID_WEIGHTS (the tensor is not within its file).
  Result<std::span<const float>> tensor(const TensorLocation& location);

  /// The tensor in fp16 or bf16: in place, or narrowed once into private memory. Same errors.
  Result<std::span<const std::uint16_t>> narrowed(const TensorLocation& location, WeightType type);

  /// The tensor as stored in its file. Same errors.
  [[nodiscard]] Result<std::span<const std::byte>> bytes(const TensorLocation& location) const;

  /// The paths that were passed to open().
  [[nodiscard]] std::span<const std::string> paths() const { return paths_; }

  /// Frees the copy of a tensor, as far as it fills pages; what read it then reads zeros. Does nothing without a copy.
  void discard(const TensorLocation& location);
  /// Makes discarded copies again, in place.
  void restore();

  /// Call once the model is loaded: most weights have been packed or widened into private memory and are not read again.
  void release_pages() const {
    for (const MappedFile& file : files_) file.release_pages();
  }

  /// Errors: ERR_INVALID_WEIGHTS (a file was overwritten after it was opened).
  [[nodiscard]] Status check_unchanged() const;

  /// Bytes mapped from files, and bytes of converted copies.
  [[nodiscard]] std::size_t mapped_bytes() const;
  [[nodiscard]] std::size_t copied_bytes() const;

 private:
  Weights(std::span<const std::string> paths, std::vector<MappedFile> files)
      : paths_(paths.begin(), paths.end()), files_(std::move(files)) {}

  /// Everything that a copy depends on. A tensor that is both embedding and decoder is copied once, and a copy never changes, since
  /// sessions read it in place. Tensors of a hostile file may share an offset but differ in length and type.
  struct CopyKey {
    std::size_t file;
    std::uint64_t offset;
    WeightType from;
    WeightType to;
    std::size_t count;
    auto operator<=>(const CopyKey&) const = default;
  };

  [[nodiscard]] static CopyKey key_of(const TensorLocation& location, WeightType to);

  std::vector<std::string> paths_;
  std::vector<MappedFile> files_;
  std::map<CopyKey, AlignedBuffer<float>> widened_;
  std::map<CopyKey, AlignedBuffer<std::uint16_t>> narrowed_;
  std::set<CopyKey> discarded_;
  std::size_t discarded_bytes_ = 0;
};

}  // namespace sparse_rerank
