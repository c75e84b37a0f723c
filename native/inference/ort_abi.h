#pragma once

/// The part of ONNX Runtime's C API that this project uses. It is declared here because no registry package ships the header, and the
/// library is loaded at run time. The API is a table of function pointers that only grows at its end, so a function is defined by its slot
/// and signature. native/test/ort_abi_check.cc compares every line with the official header.

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define SPARSE_RERANK_ORT_CALL __stdcall
#else
#define SPARSE_RERANK_ORT_CALL
#endif

/// X(name, slot, result, parameters). Results of type OrtStatus* are null on success and owned by the caller otherwise.
#define SPARSE_RERANK_ORT_FUNCTIONS(X)                                                                                                \
  X(CreateStatus, 0, OrtStatus*, (OrtErrorCode, const char*))                                                                         \
  X(GetErrorCode, 1, OrtErrorCode, (const OrtStatus*))                                                                                \
  X(GetErrorMessage, 2, const char*, (const OrtStatus*))                                                                              \
  X(CreateEnv, 3, OrtStatus*, (OrtLoggingLevel, const char*, OrtEnv**))                                                               \
  X(DisableTelemetryEvents, 6, OrtStatus*, (const OrtEnv*))                                                                           \
  X(CreateSession, 7, OrtStatus*, (const OrtEnv*, const OrtPathChar*, const OrtSessionOptions*, OrtSession**))                        \
  X(CreateSessionFromArray, 8, OrtStatus*, (const OrtEnv*, const void*, std::size_t, const OrtSessionOptions*, OrtSession**))         \
  X(Run, 9, OrtStatus*,                                                                                                               \
    (OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*, std::size_t, const char* const*, std::size_t,     \
     OrtValue**))                                                                                                                     \
  X(CreateSessionOptions, 10, OrtStatus*, (OrtSessionOptions**))                                                                      \
  X(DisableMemPattern, 17, OrtStatus*, (OrtSessionOptions*))                                                                          \
  X(SetSessionGraphOptimizationLevel, 23, OrtStatus*, (OrtSessionOptions*, GraphOptimizationLevel))                                   \
  X(SetIntraOpNumThreads, 24, OrtStatus*, (OrtSessionOptions*, int))                                                                  \
  X(SetInterOpNumThreads, 25, OrtStatus*, (OrtSessionOptions*, int))                                                                  \
  X(CreateCustomOpDomain, 26, OrtStatus*, (const char*, OrtCustomOpDomain**))                                                         \
  X(CustomOpDomain_Add, 27, OrtStatus*, (OrtCustomOpDomain*, const OrtCustomOp*))                                                     \
  X(AddCustomOpDomain, 28, OrtStatus*, (OrtSessionOptions*, OrtCustomOpDomain*))                                                      \
  X(SessionGetInputCount, 30, OrtStatus*, (const OrtSession*, std::size_t*))                                                          \
  X(SessionGetOutputCount, 31, OrtStatus*, (const OrtSession*, std::size_t*))                                                         \
  X(SessionGetInputTypeInfo, 33, OrtStatus*, (const OrtSession*, std::size_t, OrtTypeInfo**))                                         \
  X(SessionGetInputName, 36, OrtStatus*, (const OrtSession*, std::size_t, OrtAllocator*, char**))                                     \
  X(SessionGetOutputName, 37, OrtStatus*, (const OrtSession*, std::size_t, OrtAllocator*, char**))                                    \
  X(CreateRunOptions, 39, OrtStatus*, (OrtRunOptions**))                                                                              \
  X(RunOptionsSetTerminate, 46, OrtStatus*, (OrtRunOptions*))                                                                         \
  X(CreateTensorAsOrtValue, 48, OrtStatus*, (OrtAllocator*, const std::int64_t*, std::size_t, ONNXTensorElementDataType, OrtValue**)) \
  X(CreateTensorWithDataAsOrtValue, 49, OrtStatus*,                                                                                   \
    (const OrtMemoryInfo*, void*, std::size_t, const std::int64_t*, std::size_t, ONNXTensorElementDataType, OrtValue**))              \
  X(GetTensorMutableData, 51, OrtStatus*, (OrtValue*, void**))                                                                        \
  X(CastTypeInfoToTensorInfo, 55, OrtStatus*, (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))                                \
  X(GetTensorElementType, 60, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, ONNXTensorElementDataType*))                             \
  X(GetDimensionsCount, 61, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::size_t*))                                             \
  X(GetDimensions, 62, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::int64_t*, std::size_t))                                    \
  X(GetTensorTypeAndShape, 65, OrtStatus*, (const OrtValue*, OrtTensorTypeAndShapeInfo**))                                            \
  X(CreateMemoryInfo, 68, OrtStatus*, (const char*, OrtAllocatorType, int, OrtMemType, OrtMemoryInfo**))                              \
  X(CreateCpuMemoryInfo, 69, OrtStatus*, (OrtAllocatorType, OrtMemType, OrtMemoryInfo**))                                             \
  X(AllocatorFree, 76, OrtStatus*, (OrtAllocator*, void*))                                                                            \
  X(GetAllocatorWithDefaultOptions, 78, OrtStatus*, (OrtAllocator**))                                                                 \
  X(KernelInfoGetAttribute_float, 85, OrtStatus*, (const OrtKernelInfo*, const char*, float*))                                        \
  X(KernelInfoGetAttribute_int64, 86, OrtStatus*, (const OrtKernelInfo*, const char*, std::int64_t*))                                 \
  X(KernelContext_GetInput, 90, OrtStatus*, (const OrtKernelContext*, std::size_t, const OrtValue**))                                 \
  X(KernelContext_GetOutput, 91, OrtStatus*, (OrtKernelContext*, std::size_t, const std::int64_t*, std::size_t, OrtValue**))          \
  X(ReleaseStatus, 93, void, (OrtStatus*))                                                                                            \
  X(ReleaseMemoryInfo, 94, void, (OrtMemoryInfo*))                                                                                    \
  X(ReleaseSession, 95, void, (OrtSession*))                                                                                          \
  X(ReleaseValue, 96, void, (OrtValue*))                                                                                              \
  X(ReleaseRunOptions, 97, void, (OrtRunOptions*))                                                                                    \
  X(ReleaseTypeInfo, 98, void, (OrtTypeInfo*))                                                                                        \
  X(ReleaseTensorTypeAndShapeInfo, 99, void, (OrtTensorTypeAndShapeInfo*))                                                            \
  X(ReleaseSessionOptions, 100, void, (OrtSessionOptions*))                                                                           \
  X(ReleaseCustomOpDomain, 101, void, (OrtCustomOpDomain*))                                                                           \
  X(CreateAllocator, 131, OrtStatus*, (const OrtSession*, const OrtMemoryInfo*, OrtAllocator**))                                      \
  X(ReleaseAllocator, 132, void, (OrtAllocator*))                                                                                     \
  X(RunWithBinding, 133, OrtStatus*, (OrtSession*, const OrtRunOptions*, const OrtIoBinding*))                                        \
  X(CreateIoBinding, 134, OrtStatus*, (OrtSession*, OrtIoBinding**))                                                                  \
  X(ReleaseIoBinding, 135, void, (OrtIoBinding*))                                                                                     \
  X(BindInput, 136, OrtStatus*, (OrtIoBinding*, const char*, const OrtValue*))                                                        \
  X(BindOutput, 137, OrtStatus*, (OrtIoBinding*, const char*, const OrtValue*))                                                       \
  X(BindOutputToDevice, 138, OrtStatus*, (OrtIoBinding*, const char*, const OrtMemoryInfo*))                                          \
  X(GetBoundOutputValues, 140, OrtStatus*, (const OrtIoBinding*, OrtAllocator*, OrtValue***, std::size_t*))                           \
  X(AddSessionConfigEntry, 130, OrtStatus*, (OrtSessionOptions*, const char*, const char*))                                           \
  X(GetAvailableProviders, 125, OrtStatus*, (char***, int*))                                                                          \
  X(ReleaseAvailableProviders, 126, OrtStatus*, (char**, int))                                                                        \
  X(AddInitializer, 150, OrtStatus*, (OrtSessionOptions*, const char*, const OrtValue*))                                              \
  X(AddRunConfigEntry, 165, OrtStatus*, (OrtRunOptions*, const char*, const char*))                                                   \
  X(SessionOptionsAppendExecutionProvider_CUDA_V2, 204, OrtStatus*, (OrtSessionOptions*, const OrtCUDAProviderOptionsV2*))            \
  X(CreateCUDAProviderOptions, 205, OrtStatus*, (OrtCUDAProviderOptionsV2**))                                                         \
  X(UpdateCUDAProviderOptions, 206, OrtStatus*, (OrtCUDAProviderOptionsV2*, const char* const*, const char* const*, std::size_t))     \
  X(ReleaseCUDAProviderOptions, 208, void, (OrtCUDAProviderOptionsV2*))                                                               \
  X(AddExternalInitializers, 210, OrtStatus*, (OrtSessionOptions*, const char* const*, const OrtValue* const*, std::size_t))

namespace sparse_rerank::ort {

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtAllocator;
struct OrtIoBinding;
struct OrtCustomOpDomain;
struct OrtCUDAProviderOptionsV2;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtCustomOp;

#if defined(_WIN32)
using OrtPathChar = wchar_t;
#else
using OrtPathChar = char;
#endif

// The official enumerations are plain C enums. Only the members in use are declared; the check compares their values.
enum OrtErrorCode : int { ORT_OK = 0, ORT_FAIL = 1 };
enum OrtLoggingLevel : int { ORT_LOGGING_LEVEL_FATAL = 4 };
enum GraphOptimizationLevel : int { ORT_ENABLE_EXTENDED = 2, ORT_ENABLE_ALL = 99 };
enum ONNXTensorElementDataType : int {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 = 6,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 = 10,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16 = 16,
};
enum OrtAllocatorType : int { OrtDeviceAllocator = 0, OrtArenaAllocator = 1 };
enum OrtMemType : int { OrtMemTypeCPUOutput = -1, OrtMemTypeDefault = 0 };
enum OrtCustomOpInputOutputCharacteristic : int { INPUT_OUTPUT_REQUIRED = 0, INPUT_OUTPUT_OPTIONAL = 1 };

/// A custom operator: a table of callbacks; those that are optional may be null. ONNX Runtime calls them on the thread that loads or runs
/// the model.
struct OrtCustomOp {
  std::uint32_t version;
  void*(SPARSE_RERANK_ORT_CALL* CreateKernel)(const OrtCustomOp*, const void* api, const OrtKernelInfo*);
  const char*(SPARSE_RERANK_ORT_CALL* GetName)(const OrtCustomOp*);
  const char*(SPARSE_RERANK_ORT_CALL* GetExecutionProviderType)(const OrtCustomOp*);
  ONNXTensorElementDataType(SPARSE_RERANK_ORT_CALL* GetInputType)(const OrtCustomOp*, std::size_t);
  std::size_t(SPARSE_RERANK_ORT_CALL* GetInputTypeCount)(const OrtCustomOp*);
  ONNXTensorElementDataType(SPARSE_RERANK_ORT_CALL* GetOutputType)(const OrtCustomOp*, std::size_t);
  std::size_t(SPARSE_RERANK_ORT_CALL* GetOutputTypeCount)(const OrtCustomOp*);
  void(SPARSE_RERANK_ORT_CALL* KernelCompute)(void*, OrtKernelContext*);
  void(SPARSE_RERANK_ORT_CALL* KernelDestroy)(void*);
  OrtCustomOpInputOutputCharacteristic(SPARSE_RERANK_ORT_CALL* GetInputCharacteristic)(const OrtCustomOp*, std::size_t);
  OrtCustomOpInputOutputCharacteristic(SPARSE_RERANK_ORT_CALL* GetOutputCharacteristic)(const OrtCustomOp*, std::size_t);
  OrtMemType(SPARSE_RERANK_ORT_CALL* GetInputMemoryType)(const OrtCustomOp*, std::size_t);
  int(SPARSE_RERANK_ORT_CALL* GetVariadicInputMinArity)(const OrtCustomOp*);
  int(SPARSE_RERANK_ORT_CALL* GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int(SPARSE_RERANK_ORT_CALL* GetVariadicOutputMinArity)(const OrtCustomOp*);
  int(SPARSE_RERANK_ORT_CALL* GetVariadicOutputHomogeneity)(const OrtCustomOp*);
  OrtStatus*(SPARSE_RERANK_ORT_CALL* CreateKernelV2)(const OrtCustomOp*, const void* api, const OrtKernelInfo*, void** kernel);
  OrtStatus*(SPARSE_RERANK_ORT_CALL* KernelComputeV2)(void* kernel, OrtKernelContext*);
  OrtStatus*(SPARSE_RERANK_ORT_CALL* InferOutputShapeFn)(const OrtCustomOp*, void* context);
  int(SPARSE_RERANK_ORT_CALL* GetStartVersion)(const OrtCustomOp*);
  int(SPARSE_RERANK_ORT_CALL* GetEndVersion)(const OrtCustomOp*);
  std::size_t(SPARSE_RERANK_ORT_CALL* GetMayInplace)(int** input, int** output);
  void(SPARSE_RERANK_ORT_CALL* ReleaseMayInplace)(int* input, int* output);
  std::size_t(SPARSE_RERANK_ORT_CALL* GetAliasMap)(int** input, int** output);
  void(SPARSE_RERANK_ORT_CALL* ReleaseAliasMap)(int* input, int* output);
};

/// What OrtGetApiBase() returns.
struct OrtApiBase {
  const void* const*(SPARSE_RERANK_ORT_CALL* GetApi)(std::uint32_t version);
  const char*(SPARSE_RERANK_ORT_CALL* GetVersionString)();
};

/// The functions of the table that this project calls.
struct Functions {
#define SPARSE_RERANK_ORT_MEMBER(name, slot, result, parameters) result(SPARSE_RERANK_ORT_CALL* name) parameters;
  SPARSE_RERANK_ORT_FUNCTIONS(SPARSE_RERANK_ORT_MEMBER)
#undef SPARSE_RERANK_ORT_MEMBER

  explicit Functions(const void* const* table) {
#define SPARSE_RERANK_ORT_READ(name, slot, result, parameters) \
  name = reinterpret_cast<result(SPARSE_RERANK_ORT_CALL*) parameters>(const_cast<void*>(table[slot]));
    SPARSE_RERANK_ORT_FUNCTIONS(SPARSE_RERANK_ORT_READ)
#undef SPARSE_RERANK_ORT_READ
  }
};

}  // namespace sparse_rerank::ort
