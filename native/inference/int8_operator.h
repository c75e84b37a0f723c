#pragma once

#include <span>

#include "inference/ort_abi.h"
#include "inference/runtime.h"
#include "kernels/int8_linear.h"

namespace sparse_rerank {

/// The custom operator Int8Linear: float [tokens, inputs] -> float [tokens, outputs], with the attribute `layer`, an index into the layers.
/// ONNX Runtime's integer operators would need one node per step (scale, round, multiply, rescale), and saturate or lose a bit on x86
/// without VNNI.
class Int8Operator : private ort::OrtCustomOp {
 public:
  static constexpr const char* kDomain = "sparse_rerank";

  /// @param layers must outlive the sessions that use the operator, and so must this object
  Int8Operator(const Runtime& runtime, std::span<const Int8Linear> layers);
  Int8Operator(const Int8Operator&) = delete;
  Int8Operator& operator=(const Int8Operator&) = delete;

  [[nodiscard]] const ort::OrtCustomOp* custom_op() const { return this; }

 private:
  struct Kernel;
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL create(const ort::OrtCustomOp* op, const void* api, const ort::OrtKernelInfo* info,
                                                       void** kernel);
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL compute(void* kernel, ort::OrtKernelContext* context);

  const Runtime& runtime_;
  std::span<const Int8Linear> layers_;
};

}  // namespace sparse_rerank
