#pragma once

#include <memory>

#include "inference/ort_abi.h"

namespace sparse_rerank {

/// Releases an ONNX Runtime object.
template <typename T>
struct OrtDeleter {
  void(SPARSE_RERANK_ORT_CALL* release)(T*) = nullptr;
  void operator()(T* object) const { release(object); }
};
template <typename T>
using OrtPointer = std::unique_ptr<T, OrtDeleter<T>>;

template <typename T>
OrtPointer<T> own(T* object, void(SPARSE_RERANK_ORT_CALL* release)(T*)) {
  return OrtPointer<T>(object, OrtDeleter<T>{release});
}

}  // namespace sparse_rerank
