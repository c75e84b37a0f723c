#pragma once

#include <napi.h>

namespace sparse_rerank::binding {

/// similarity(a, b, dimension, function): Promise<Float32Array>
Napi::Value start_similarity(const Napi::CallbackInfo& info);
/// similarityPairwise(a, b, dimension, function): Promise<Float32Array>
Napi::Value start_similarity_pairwise(const Napi::CallbackInfo& info);

}  // namespace sparse_rerank::binding
