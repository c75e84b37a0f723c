#pragma once

/// The slice of ONNX Runtime's C interface that this project uses, declared in our own words: no registry package ships the header, and
/// the library is loaded at run time. The interface is a table of function pointers that only grows at its end, so a function is its slot
/// number, its signature and the first version that has it. native/test/ort_abi_check.cc compares every line with the official header.

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define SPARSE_RERANK_ORT_CALL __stdcall
#else
#define SPARSE_RERANK_ORT_CALL
#endif

/// X(name, slot, result, parameters). Results of type OrtStatus* are null on success and owned by the caller otherwise.
#define SPARSE_RERANK_ORT_FUNCTIONS(X)                                                                                            \
  X(GetErrorCode, 1, OrtErrorCode, (const OrtStatus*))                                                                            \
  X(GetErrorMessage, 2, const char*, (const OrtStatus*))                                                                          \
  X(CreateEnv, 3, OrtStatus*, (OrtLoggingLevel, const char*, OrtEnv**))                                                           \
  X(DisableTelemetryEvents, 6, OrtStatus*, (const OrtEnv*))                                                                       \
  X(CreateSession, 7, OrtStatus*, (const OrtEnv*, const OrtPathChar*, const OrtSessionOptions*, OrtSession**))                    \
  X(CreateSessionFromArray, 8, OrtStatus*, (const OrtEnv*, const void*, std::size_t, const OrtSessionOptions*, OrtSession**))     \
  X(Run, 9, OrtStatus*,                                                                                                           \
    (OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*, std::size_t, const char* const*, std::size_t, \
     OrtValue**))                                                                                                                 \
  X(CreateSessionOptions, 10, OrtStatus*, (OrtSessionOptions**))                                                                  \
  X(DisableMemPattern, 17, OrtStatus*, (OrtSessionOptions*))                                                                      \
  X(SetSessionGraphOptimizationLevel, 23, OrtStatus*, (OrtSessionOptions*, GraphOptimizationLevel))                               \
  X(SetIntraOpNumThreads, 24, OrtStatus*, (OrtSessionOptions*, int))                                                              \
  X(SetInterOpNumThreads, 25, OrtStatus*, (OrtSessionOptions*, int))                                                              \
  X(SessionGetInputCount, 30, OrtStatus*, (const OrtSession*, std::size_t*))                                                      \
  X(SessionGetOutputCount, 31, OrtStatus*, (const OrtSession*, std::size_t*))                                                     \
  X(SessionGetInputTypeInfo, 33, OrtStatus*, (const OrtSession*, std::size_t, OrtTypeInfo**))                                     \
  X(SessionGetInputName, 36, OrtStatus*, (const OrtSession*, std::size_t, OrtAllocator*, char**))                                 \
  X(SessionGetOutputName, 37, OrtStatus*, (const OrtSession*, std::size_t, OrtAllocator*, char**))                                \
  X(CreateRunOptions, 39, OrtStatus*, (OrtRunOptions**))                                                                          \
  X(RunOptionsSetTerminate, 46, OrtStatus*, (OrtRunOptions*))                                                                     \
  X(CreateTensorWithDataAsOrtValue, 49, OrtStatus*,                                                                               \
    (const OrtMemoryInfo*, void*, std::size_t, const std::int64_t*, std::size_t, ONNXTensorElementDataType, OrtValue**))          \
  X(GetTensorMutableData, 51, OrtStatus*, (OrtValue*, void**))                                                                    \
  X(CastTypeInfoToTensorInfo, 55, OrtStatus*, (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))                            \
  X(GetTensorElementType, 60, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, ONNXTensorElementDataType*))                         \
  X(GetDimensionsCount, 61, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::size_t*))                                         \
  X(GetDimensions, 62, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::int64_t*, std::size_t))                                \
  X(GetTensorTypeAndShape, 65, OrtStatus*, (const OrtValue*, OrtTensorTypeAndShapeInfo**))                                        \
  X(CreateCpuMemoryInfo, 69, OrtStatus*, (OrtAllocatorType, OrtMemType, OrtMemoryInfo**))                                         \
  X(AllocatorFree, 76, OrtStatus*, (OrtAllocator*, void*))                                                                        \
  X(GetAllocatorWithDefaultOptions, 78, OrtStatus*, (OrtAllocator**))                                                             \
  X(ReleaseStatus, 93, void, (OrtStatus*))                                                                                        \
  X(ReleaseSession, 95, void, (OrtSession*))                                                                                      \
  X(ReleaseValue, 96, void, (OrtValue*))                                                                                          \
  X(ReleaseRunOptions, 97, void, (OrtRunOptions*))                                                                                \
  X(ReleaseTypeInfo, 98, void, (OrtTypeInfo*))                                                                                    \
  X(ReleaseTensorTypeAndShapeInfo, 99, void, (OrtTensorTypeAndShapeInfo*))                                                        \
  X(ReleaseSessionOptions, 100, void, (OrtSessionOptions*))                                                                       \
  X(AddSessionConfigEntry, 130, OrtStatus*, (OrtSessionOptions*, const char*, const char*))                                       \
  X(AddInitializer, 150, OrtStatus*, (OrtSessionOptions*, const char*, const OrtValue*))                                          \
  X(AddRunConfigEntry, 165, OrtStatus*, (OrtRunOptions*, const char*, const char*))

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

#if defined(_WIN32)
using OrtPathChar = wchar_t;
#else
using OrtPathChar = char;
#endif

// The official enumerations are plain C enums; only the members in use are named, and the check compares their values.
enum OrtErrorCode : int { ORT_OK = 0 };
enum OrtLoggingLevel : int { ORT_LOGGING_LEVEL_FATAL = 4 };
enum GraphOptimizationLevel : int { ORT_ENABLE_ALL = 99 };
enum ONNXTensorElementDataType : int {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT = 1,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 = 7,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 = 10,
};
enum OrtAllocatorType : int { OrtArenaAllocator = 1 };
enum OrtMemType : int { OrtMemTypeDefault = 0 };

/// What OrtGetApiBase() returns.
struct OrtApiBase {
  const void* const*(SPARSE_RERANK_ORT_CALL* GetApi)(std::uint32_t version);
  const char*(SPARSE_RERANK_ORT_CALL* GetVersionString)();
};

/// The functions in use, read from their slots.
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
