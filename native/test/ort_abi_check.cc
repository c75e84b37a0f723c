// Compiled in CI against the official onnxruntime_c_api.h: a different slot, signature or enumeration value is a compile error.
#include <onnxruntime_c_api.h>

#include <type_traits>

#include "inference/ort_abi.h"

namespace {

using OrtPathChar = ORTCHAR_T;

// Both headers use the same type names, and the official ones are in the global namespace, so expanding the list outside sparse_rerank::ort
// yields our signatures with the official types.
template <typename Function>
struct WithoutNoexcept {
  using Type = Function;
};
template <typename Result, typename... Parameters>
struct WithoutNoexcept<Result(SPARSE_RERANK_ORT_CALL*)(Parameters...) noexcept> {
  using Type = Result(SPARSE_RERANK_ORT_CALL*)(Parameters...);
};

#define CHECK_FUNCTION(name, slot, result, parameters)                                                                     \
  static_assert(offsetof(OrtApi, name) == (slot) * sizeof(void*), #name " has another slot");                              \
  static_assert(std::is_same_v<WithoutNoexcept<decltype(OrtApi::name)>::Type, result(SPARSE_RERANK_ORT_CALL*) parameters>, \
                #name " has another signature");
SPARSE_RERANK_ORT_FUNCTIONS(CHECK_FUNCTION)

namespace ours = sparse_rerank::ort;
#define CHECK_VALUE(name) static_assert(static_cast<int>(ours::name) == static_cast<int>(::name), #name " has another value")
CHECK_VALUE(ORT_OK);
CHECK_VALUE(ORT_FAIL);
CHECK_VALUE(ORT_LOGGING_LEVEL_FATAL);
CHECK_VALUE(ORT_ENABLE_EXTENDED);
CHECK_VALUE(ORT_ENABLE_ALL);
CHECK_VALUE(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
CHECK_VALUE(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32);
CHECK_VALUE(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
CHECK_VALUE(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16);
CHECK_VALUE(ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16);
CHECK_VALUE(OrtDeviceAllocator);
CHECK_VALUE(OrtArenaAllocator);
CHECK_VALUE(OrtMemTypeCPUOutput);
CHECK_VALUE(OrtMemTypeDefault);
CHECK_VALUE(INPUT_OUTPUT_REQUIRED);
CHECK_VALUE(INPUT_OUTPUT_OPTIONAL);

static_assert(sizeof(ours::OrtLoggingLevel) == sizeof(::OrtLoggingLevel));
static_assert(offsetof(ours::OrtApiBase, GetApi) == offsetof(::OrtApiBase, GetApi));
static_assert(offsetof(ours::OrtApiBase, GetVersionString) == offsetof(::OrtApiBase, GetVersionString));

#define CHECK_CALLBACK(name) static_assert(offsetof(ours::OrtCustomOp, name) == offsetof(::OrtCustomOp, name), #name " has another place")
CHECK_CALLBACK(version);
CHECK_CALLBACK(CreateKernel);
CHECK_CALLBACK(GetName);
CHECK_CALLBACK(GetExecutionProviderType);
CHECK_CALLBACK(GetInputType);
CHECK_CALLBACK(GetInputTypeCount);
CHECK_CALLBACK(GetOutputType);
CHECK_CALLBACK(GetOutputTypeCount);
CHECK_CALLBACK(KernelCompute);
CHECK_CALLBACK(KernelDestroy);
CHECK_CALLBACK(GetInputCharacteristic);
CHECK_CALLBACK(GetOutputCharacteristic);
CHECK_CALLBACK(GetInputMemoryType);
CHECK_CALLBACK(GetVariadicInputMinArity);
CHECK_CALLBACK(GetVariadicInputHomogeneity);
CHECK_CALLBACK(GetVariadicOutputMinArity);
CHECK_CALLBACK(GetVariadicOutputHomogeneity);
CHECK_CALLBACK(CreateKernelV2);
CHECK_CALLBACK(KernelComputeV2);
CHECK_CALLBACK(InferOutputShapeFn);
CHECK_CALLBACK(GetStartVersion);
CHECK_CALLBACK(GetEndVersion);
CHECK_CALLBACK(GetMayInplace);
CHECK_CALLBACK(ReleaseMayInplace);
CHECK_CALLBACK(GetAliasMap);
CHECK_CALLBACK(ReleaseAliasMap);

}  // namespace

int main() {
  return 0;
}
