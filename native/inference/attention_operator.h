#pragma once

#include "inference/custom_operator.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

/// The operator Attention: KernelTable::attention of one sequence.
///
/// Inputs: query [queries, hidden], the tokens from position 0 on; key and value [keys, hidden]; optionally cosine and sine, [keys, head
/// size / 2]; optionally a bias of each distance, [heads, 2 * keys - 1] in the order of key position - query position; optionally the terms
/// of disentangled attention: int32 [2 * keys - 1] in that order, the row of each distance, and one or both of [1, heads, queries, rows]
/// and [1, heads, keys, rows]. Output: [queries, hidden]. Attributes: `heads`, `scale`, and `reach`, which is -1 for no limit.
class AttentionOperator : public CustomOperator {
 public:
  /// Must outlive the sessions that use it.
  AttentionOperator(const Runtime& runtime, const KernelTable& kernels);

 private:
  struct Kernel;
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL create(const ort::OrtCustomOp* op, const void* api, const ort::OrtKernelInfo* info,
                                                       void** kernel);
  static ort::OrtStatus* SPARSE_RERANK_ORT_CALL compute(void* kernel, ort::OrtKernelContext* context);

  const KernelTable& kernels_;
};

}  // namespace sparse_rerank
