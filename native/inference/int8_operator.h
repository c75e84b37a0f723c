#pragma once

#include <span>

#include "inference/custom_operator.h"
#include "kernels/int8_linear.h"

namespace sparse_rerank {

/// The operator Int8Linear: [tokens, inputs] -> [tokens, outputs], with the attribute `layer`, an index into the layers. ONNX Runtime's
/// integer operators would need one node per step (scale, round, multiply, rescale), and saturate or lose a bit on x86 without VNNI.
class Int8Operator : public CustomOperator {
 public:
  /// @param layers must outlive the sessions that use the operator, and so must this object
  Int8Operator(const Runtime& runtime, std::span<const Int8Linear> layers);

 private:
  struct Kernel;
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL create(const ort::OrtCustomOp* op, const void* api, const ort::OrtKernelInfo* info,
                                                       void** kernel);
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL compute(void* kernel, ort::OrtKernelContext* context);

  std::span<const Int8Linear> layers_;
};

}  // namespace sparse_rerank
