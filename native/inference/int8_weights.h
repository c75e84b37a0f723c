#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "core/stored_file.h"
#include "inference/weights.h"
#include "kernels/int8_linear.h"

namespace sparse_rerank {

struct Int8LayerSpec {
  TensorLocation weight;               // [outputs, inputs]
  std::optional<TensorLocation> bias;  // [outputs]
};

/// The linear layers of a model in 8 bits: packed once, cached by a digest of their weights and file paths, and memory-mapped from the
/// cache by later loads, so that processes share them.
class Int8Weights {
 public:
  /// @param cache_folder empty for none; if it cannot be used, the layers are kept in private memory
  /// Errors: ERR_INVALID_WEIGHTS, ERR_TENSOR_MISMATCH, ERR_NOT_SUPPORTED (a matrix has too many inputs).
  static Result<Int8Weights> load(std::span<const Int8LayerSpec> specs, Weights& weights, const std::string& cache_folder);

  [[nodiscard]] std::span<const Int8Linear> layers() const { return layers_; }
  /// Size in bytes, unless mapped from the cache.
  [[nodiscard]] std::size_t owned_bytes() const { return packed_.size(); }

 private:
  Int8Weights() = default;

  // The layers read from one of the two.
  AlignedBuffer<std::byte> packed_;
  std::optional<StoredFile> stored_;
  std::vector<Int8Linear> layers_;
};

}  // namespace sparse_rerank
