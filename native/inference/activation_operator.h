#pragma once

#include "inference/custom_operator.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

/// The operators Gelu (KernelTable::gelu) and Swish (KernelTable::swish, with the attributes `linear` and `cubic`): x of any shape, and
/// optionally a factor of that shape, the other half of a gated linear unit (Shazeer, 2020, arXiv 2002.05202).
class ActivationOperator : public CustomOperator {
 public:
  enum class Function { kGelu, kSwish };

  /// Must outlive the sessions that use it.
  ActivationOperator(const Runtime& runtime, const KernelTable& kernels, Function function);

 private:
  struct Kernel;
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL create(const ort::OrtCustomOp* op, const void* api, const ort::OrtKernelInfo* info,
                                                       void** kernel);
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL compute(void* kernel, ort::OrtKernelContext* context);

  const KernelTable& kernels_;
  Function function_;
};

}  // namespace sparse_rerank
