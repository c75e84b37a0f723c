#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "inference/group_inputs.h"
#include "inference/ort_pointer.h"
#include "inference/runtime.h"

namespace sparse_rerank {

/// A tensor of ONNX Runtime, on any device.
using Tensor = OrtPointer<ort::OrtValue>;

struct TensorType {
  ort::ONNXTensorElementDataType element{};
  std::vector<std::int64_t> shape;

  /// The number of elements.
  [[nodiscard]] std::size_t count() const;
};

/// "[2, 30522]"
std::string to_text(std::span<const std::int64_t> shape);

/// The type of a graph input.
TensorType type_of(const InputView& view);
Result<TensorType> type_of(const Runtime& runtime, const ort::OrtValue& tensor);

/// A tensor over CPU memory, which must outlive it and is not written to.
Result<Tensor> wrap_tensor(const Runtime& runtime, std::span<const std::byte> data, const TensorType& type);
/// A tensor in new, uninitialized memory.
Result<Tensor> make_tensor(const Runtime& runtime, ort::OrtAllocator* allocator, const TensorType& type);
/// Its address on its device.
Result<void*> data_of(const Runtime& runtime, ort::OrtValue& tensor);

}  // namespace sparse_rerank
