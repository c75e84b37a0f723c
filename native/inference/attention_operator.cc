#include "inference/attention_operator.h"

#include <algorithm>
#include <limits>
#include <new>

#include "core/aligned_buffer.h"

namespace sparse_rerank {

namespace {

constexpr std::size_t kInputs = 9;
constexpr std::size_t kDistanceRows = 6;

ort::ONNXTensorElementDataType SPARSE_RERANK_ORT_CALL element_type(const ort::OrtCustomOp*, std::size_t index) {
  return index == kDistanceRows ? ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

/// Describes the terms of disentangled attention. False if they do not fit the other inputs.
bool read_terms(const TensorView& rows, const TensorView& query_terms, const TensorView& key_terms, AttentionInputs& in) {
  if (query_terms.data == nullptr && key_terms.data == nullptr) return rows.data == nullptr;
  if (rows.data == nullptr || rows.rank != 1 || rows.size(0) + 1 != 2 * in.keys) return false;
  in.rows = (query_terms.data != nullptr ? query_terms : key_terms).size(3);
  const auto fit = [&in](const TensorView& terms, std::size_t tokens) {
    return terms.data == nullptr ||
           (terms.rank == 4 && terms.size(0) == 1 && terms.size(1) == in.heads && terms.size(2) == tokens && terms.size(3) == in.rows);
  };
  if (!fit(query_terms, in.queries) || !fit(key_terms, in.keys)) return false;
  in.distance_rows = reinterpret_cast<const std::int32_t*>(rows.data);
  in.query_terms = query_terms.data;
  in.key_terms = key_terms.data;
  // As unsigned numbers, negative rows are too large.
  return std::all_of(in.distance_rows, in.distance_rows + rows.size(0),
                     [&in](std::int32_t row) { return static_cast<std::uint32_t>(row) < in.rows; });
}

/// Describes the inputs of a node to the kernel. False if their shapes do not fit each other.
bool read_inputs(const std::array<TensorView, kInputs>& tensors, AttentionInputs& in) {
  const auto& [query, key, value, cosine, sine, bias, rows, query_terms, key_terms] = tensors;
  if (query.rank != 2 || key.rank != 2 || value.rank != 2) return false;
  const std::size_t hidden = query.size(1);
  if (key.size(1) != hidden || value.size(1) != hidden || hidden % in.heads != 0) return false;
  in.query = query.data;
  in.key = key.data;
  in.value = value.data;
  in.queries = query.size(0);
  in.keys = key.size(0);
  in.size = hidden / in.heads;
  if (value.size(0) != in.keys || in.queries > in.keys) return false;
  if (cosine.data != nullptr || sine.data != nullptr) {
    for (const TensorView& angles : {cosine, sine}) {
      if (angles.data == nullptr || angles.rank != 2 || angles.size(0) != in.keys || angles.size(1) * 2 != in.size) return false;
    }
    in.cosine = cosine.data;
    in.sine = sine.data;
  }
  if (bias.data != nullptr && (bias.rank != 2 || bias.size(0) != in.heads || bias.size(1) + 1 != 2 * in.keys)) return false;
  in.bias = bias.data;
  return read_terms(rows, query_terms, key_terms, in);
}

}  // namespace

/// The state of one node of a graph.
struct AttentionOperator::Kernel {
  const ort::Functions& functions;
  const KernelTable& kernels;
  std::size_t heads;
  std::size_t reach;
  float scale;
};

AttentionOperator::AttentionOperator(const Runtime& runtime, const KernelTable& kernels)
    : CustomOperator(runtime, "Attention", kInputs, 3), kernels_(kernels) {
  GetInputType = element_type;
  CreateKernelV2 = create;
  KernelComputeV2 = compute;
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

ort::OrtStatus* AttentionOperator::create(const ort::OrtCustomOp* op, const void*, const ort::OrtKernelInfo* info, void** kernel) {
  const auto& own = self<AttentionOperator>(op);
  const ort::Functions& functions = own.functions();
  std::int64_t heads = 0;
  std::int64_t reach = 0;
  float scale = 0;
  if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_int64(info, "heads", &heads)) return failure;
  if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_int64(info, "reach", &reach)) return failure;
  if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_float(info, "scale", &scale)) return failure;
  if (heads < 1) return functions.CreateStatus(ort::ORT_FAIL, "Attention: no heads");
  const std::size_t limit = reach < 0 ? std::numeric_limits<std::size_t>::max() : static_cast<std::size_t>(reach);
  *kernel = new (std::nothrow) Kernel{functions, own.kernels_, static_cast<std::size_t>(heads), limit, scale};
  return *kernel == nullptr ? functions.CreateStatus(ort::ORT_FAIL, "Attention: out of memory") : nullptr;
}

/// Pool thread, inside a run.
ort::OrtStatus* AttentionOperator::compute(void* kernel, ort::OrtKernelContext* context) {
  const auto& [functions, kernels, heads, reach, scale] = *static_cast<const Kernel*>(kernel);
  std::array<TensorView, kInputs> tensors;
  for (std::size_t i = 0; i < kInputs; ++i) {
    if (ort::OrtStatus* failure = read_input(functions, context, i, tensors[i])) return failure;
  }
  AttentionInputs in{};
  in.heads = heads;
  in.reach = reach;
  in.scale = scale;
  if (!read_inputs(tensors, in)) return functions.CreateStatus(ort::ORT_FAIL, "Attention: the inputs do not fit each other");
  float* out = nullptr;
  if (ort::OrtStatus* failure = make_output(functions, context, tensors[0].shape(), out)) return failure;
  // Reused from node to node: pool threads live as long as the process.
  thread_local AlignedBuffer<float> scratch;
  try {
    scratch.reserve_discarding(attention_scratch(in));
  } catch (const std::bad_alloc&) {
    // An exception must not cross the C interface.
    return functions.CreateStatus(ort::ORT_FAIL, "Attention: out of memory");
  }
  kernels.attention(in, scratch.data(), out);
  return nullptr;
}

}  // namespace sparse_rerank
