#include "inference/tensor.h"

namespace sparse_rerank {

std::size_t TensorType::count() const {
  std::size_t product = 1;
  for (const std::int64_t dimension : shape) product *= static_cast<std::size_t>(dimension);
  return product;
}

std::string to_text(std::span<const std::int64_t> shape) {
  std::string list;
  for (const std::int64_t dimension : shape) list += (list.empty() ? "" : ", ") + std::to_string(dimension);
  return "[" + list + "]";
}

TensorType type_of(const InputView& view) {
  return {view.is_int32 ? ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
          {view.shape.begin(), view.shape.begin() + static_cast<std::ptrdiff_t>(view.rank)}};
}

Result<TensorType> type_of(const Runtime& runtime, const ort::OrtValue& tensor) {
  const ort::Functions& functions = runtime.functions();
  constexpr const char* kDoing = "read a tensor's type";
  ort::OrtTensorTypeAndShapeInfo* raw_info = nullptr;
  if (auto failure = runtime.check(functions.GetTensorTypeAndShape(&tensor, &raw_info), kDoing)) return *failure;
  const auto info = own(raw_info, functions.ReleaseTensorTypeAndShapeInfo);
  TensorType type;
  std::size_t rank = 0;
  if (auto failure = runtime.check(functions.GetTensorElementType(raw_info, &type.element), kDoing)) return *failure;
  if (auto failure = runtime.check(functions.GetDimensionsCount(raw_info, &rank), kDoing)) return *failure;
  type.shape.resize(rank);
  if (auto failure = runtime.check(functions.GetDimensions(raw_info, type.shape.data(), rank), kDoing)) return *failure;
  return type;
}

Result<Tensor> wrap_tensor(const Runtime& runtime, std::span<const std::byte> data, const TensorType& type) {
  ort::OrtValue* tensor = nullptr;
  // The C interface has no const variant.
  void* const memory = const_cast<std::byte*>(data.data());
  const auto status = runtime.functions().CreateTensorWithDataAsOrtValue(runtime.cpu_memory(), memory, data.size(), type.shape.data(),
                                                                         type.shape.size(), type.element, &tensor);
  if (auto failure = runtime.check(status, "wrap a tensor")) return *failure;
  return own(tensor, runtime.functions().ReleaseValue);
}

Result<Tensor> make_tensor(const Runtime& runtime, ort::OrtAllocator* allocator, const TensorType& type) {
  ort::OrtValue* tensor = nullptr;
  const auto status = runtime.functions().CreateTensorAsOrtValue(allocator, type.shape.data(), type.shape.size(), type.element, &tensor);
  if (auto failure = runtime.check(status, "create a tensor")) return *failure;
  return own(tensor, runtime.functions().ReleaseValue);
}

Result<void*> data_of(const Runtime& runtime, ort::OrtValue& tensor) {
  void* data = nullptr;
  if (auto failure = runtime.check(runtime.functions().GetTensorMutableData(&tensor, &data), "access a tensor's data")) return *failure;
  return data;
}

}  // namespace sparse_rerank
