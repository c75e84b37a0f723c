#include "inference/int8_operator.h"

#include <cstdint>
#include <new>

namespace sparse_rerank {

namespace {

// Callbacks that only describe the operator.
const char* SPARSE_RERANK_ORT_CALL name(const ort::OrtCustomOp*) {
  return "Int8Linear";
}

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

/// The state of one node of a graph.
struct Int8Operator::Kernel {
  const ort::Functions& functions;
  const Int8Linear& layer;
};

Int8Operator::Int8Operator(const Runtime& runtime, std::span<const Int8Linear> layers)
    : ort::OrtCustomOp(), runtime_(runtime), layers_(layers) {
  version = Runtime::kApiVersion;
  GetName = name;
  GetExecutionProviderType = cpu;
  GetInputType = element_type;
  GetInputTypeCount = one;
  GetOutputType = element_type;
  GetOutputTypeCount = one;
  GetInputCharacteristic = required;
  GetOutputCharacteristic = required;
  GetInputMemoryType = memory_type;
  GetStartVersion = first_version;
  GetEndVersion = first_version;
  CreateKernelV2 = create;
  KernelComputeV2 = compute;
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

ort::OrtStatus* Int8Operator::create(const ort::OrtCustomOp* op, const void*, const ort::OrtKernelInfo* info, void** kernel) {
  const auto* self = static_cast<const Int8Operator*>(op);
  const ort::Functions& functions = self->runtime_.functions();
  std::int64_t layer = 0;
  if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_int64(info, "layer", &layer)) return failure;
  if (layer < 0 || static_cast<std::size_t>(layer) >= self->layers_.size())
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: no such layer");
  *kernel = new (std::nothrow) Kernel{functions, self->layers_[static_cast<std::size_t>(layer)]};
  return *kernel == nullptr ? functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: out of memory") : nullptr;
}

/// Pool thread, inside a run.
ort::OrtStatus* Int8Operator::compute(void* kernel, ort::OrtKernelContext* context) {
  const auto& [functions, layer] = *static_cast<const Kernel*>(kernel);
  const ort::OrtValue* input = nullptr;
  if (ort::OrtStatus* failure = functions.KernelContext_GetInput(context, 0, &input)) return failure;
  ort::OrtTensorTypeAndShapeInfo* info = nullptr;
  if (ort::OrtStatus* failure = functions.GetTensorTypeAndShape(input, &info)) return failure;
  std::size_t rank = 0;
  std::int64_t shape[2] = {};
  ort::OrtStatus* failure = functions.GetDimensionsCount(info, &rank);
  if (failure == nullptr && rank == 2) failure = functions.GetDimensions(info, shape, rank);
  functions.ReleaseTensorTypeAndShapeInfo(info);
  if (failure != nullptr) return failure;
  if (rank != 2 || shape[0] < 0 || static_cast<std::size_t>(shape[1]) != layer.shape().inputs)
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: the input does not fit the layer");

  void* x = nullptr;
  // The C interface has no const variant.
  if (ort::OrtStatus* error = functions.GetTensorMutableData(const_cast<ort::OrtValue*>(input), &x)) return error;
  shape[1] = static_cast<std::int64_t>(layer.shape().outputs);
  ort::OrtValue* output = nullptr;
  if (ort::OrtStatus* error = functions.KernelContext_GetOutput(context, 0, shape, 2, &output)) return error;
  void* y = nullptr;
  if (ort::OrtStatus* error = functions.GetTensorMutableData(output, &y)) return error;
  // Reused from node to node: pool threads live as long as the process.
  thread_local Int8Linear::Scratch scratch;
  try {
    layer.apply(static_cast<const float*>(x), static_cast<std::size_t>(shape[0]), scratch, static_cast<float*>(y));
  } catch (const std::bad_alloc&) {
    // An exception must not cross the C interface.
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: out of memory");
  }
  return nullptr;
}

}  // namespace sparse_rerank
