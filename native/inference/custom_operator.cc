#include "inference/custom_operator.h"

#include <functional>
#include <numeric>

namespace sparse_rerank {

namespace {

ort::ONNXTensorElementDataType SPARSE_RERANK_ORT_CALL element_type(const ort::OrtCustomOp*, std::size_t) {
  return ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

std::size_t SPARSE_RERANK_ORT_CALL one(const ort::OrtCustomOp*) {
  return 1;
}

ort::OrtCustomOpInputOutputCharacteristic SPARSE_RERANK_ORT_CALL required(const ort::OrtCustomOp*, std::size_t) {
  return ort::INPUT_OUTPUT_REQUIRED;
}

ort::OrtMemType SPARSE_RERANK_ORT_CALL memory_type(const ort::OrtCustomOp*, std::size_t) {
  return ort::OrtMemTypeDefault;
}

const char* SPARSE_RERANK_ORT_CALL cpu(const ort::OrtCustomOp*) {
  return nullptr;
}

int SPARSE_RERANK_ORT_CALL first_version(const ort::OrtCustomOp*) {
  return 1;
}

}  // namespace

CustomOperator::CustomOperator(const Runtime& runtime, const char* name, std::size_t inputs, std::size_t required_inputs)
    : ort::OrtCustomOp(), runtime_(runtime), name_(name), inputs_(inputs), required_(required_inputs) {
  version = Runtime::kApiVersion;
  GetName = [](const ort::OrtCustomOp* op) { return self<CustomOperator>(op).name_; };
  GetExecutionProviderType = cpu;
  GetInputType = element_type;
  GetInputTypeCount = [](const ort::OrtCustomOp* op) { return self<CustomOperator>(op).inputs_; };
  GetOutputType = element_type;
  GetOutputTypeCount = one;
  GetInputCharacteristic = [](const ort::OrtCustomOp* op, std::size_t index) {
    return index < self<CustomOperator>(op).required_ ? ort::INPUT_OUTPUT_REQUIRED : ort::INPUT_OUTPUT_OPTIONAL;
  };
  GetOutputCharacteristic = required;
  GetInputMemoryType = memory_type;
  GetStartVersion = first_version;
  GetEndVersion = first_version;
}

std::size_t TensorView::elements() const {
  return std::accumulate(shape().begin(), shape().end(), std::size_t{1},
                         [](std::size_t product, std::int64_t size) { return product * static_cast<std::size_t>(size); });
}

ort::OrtStatus* read_input(const ort::Functions& functions, ort::OrtKernelContext* context, std::size_t index, TensorView& view) {
  const ort::OrtValue* input = nullptr;
  if (ort::OrtStatus* failure = functions.KernelContext_GetInput(context, index, &input)) return failure;
  view = {};
  if (input == nullptr) return nullptr;
  ort::OrtTensorTypeAndShapeInfo* info = nullptr;
  if (ort::OrtStatus* failure = functions.GetTensorTypeAndShape(input, &info)) return failure;
  ort::OrtStatus* failure = functions.GetDimensionsCount(info, &view.rank);
  if (failure == nullptr && view.rank <= TensorView::kMostDimensions) {
    failure = functions.GetDimensions(info, view.dimensions.data(), view.rank);
  }
  functions.ReleaseTensorTypeAndShapeInfo(info);
  if (failure != nullptr) return failure;
  if (view.rank > TensorView::kMostDimensions) return functions.CreateStatus(ort::ORT_FAIL, "an input has too many dimensions");
  void* data = nullptr;
  // The C interface has no const variant.
  if (ort::OrtStatus* error = functions.GetTensorMutableData(const_cast<ort::OrtValue*>(input), &data)) return error;
  view.data = static_cast<float*>(data);
  return nullptr;
}

ort::OrtStatus* make_output(const ort::Functions& functions, ort::OrtKernelContext* context, std::span<const std::int64_t> shape,
                            float*& data) {
  ort::OrtValue* output = nullptr;
  if (ort::OrtStatus* failure = functions.KernelContext_GetOutput(context, 0, shape.data(), shape.size(), &output)) return failure;
  void* allocated = nullptr;
  if (ort::OrtStatus* failure = functions.GetTensorMutableData(output, &allocated)) return failure;
  data = static_cast<float*>(allocated);
  return nullptr;
}

}  // namespace sparse_rerank
