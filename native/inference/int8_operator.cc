#include "inference/int8_operator.h"

#include <cstdint>
#include <new>

namespace sparse_rerank {

/// The state of one node of a graph.
struct Int8Operator::Kernel {
  const ort::Functions& functions;
  const Int8Linear& layer;
};

Int8Operator::Int8Operator(const Runtime& runtime, std::span<const Int8Linear> layers)
    : CustomOperator(runtime, "Int8Linear", 1, 1), layers_(layers) {
  CreateKernelV2 = create;
  KernelComputeV2 = compute;
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

ort::OrtStatus* Int8Operator::create(const ort::OrtCustomOp* op, const void*, const ort::OrtKernelInfo* info, void** kernel) {
  const auto& own = self<Int8Operator>(op);
  const ort::Functions& functions = own.functions();
  std::int64_t layer = 0;
  if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_int64(info, "layer", &layer)) return failure;
  if (layer < 0 || static_cast<std::size_t>(layer) >= own.layers_.size())
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: no such layer");
  *kernel = new (std::nothrow) Kernel{functions, own.layers_[static_cast<std::size_t>(layer)]};
  return *kernel == nullptr ? functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: out of memory") : nullptr;
}

/// Pool thread, inside a run.
ort::OrtStatus* Int8Operator::compute(void* kernel, ort::OrtKernelContext* context) {
  const auto& [functions, layer] = *static_cast<const Kernel*>(kernel);
  TensorView x;
  if (ort::OrtStatus* failure = read_input(functions, context, 0, x)) return failure;
  if (x.rank != 2 || x.size(1) != layer.shape().inputs)
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: the input does not fit the layer");
  const std::array shape = {x.dimensions[0], static_cast<std::int64_t>(layer.shape().outputs)};
  float* out = nullptr;
  if (ort::OrtStatus* failure = make_output(functions, context, shape, out)) return failure;
  // Reused from node to node: pool threads live as long as the process.
  thread_local Int8Linear::Scratch scratch;
  try {
    layer.apply(x.data, x.size(0), scratch, out);
  } catch (const std::bad_alloc&) {
    // An exception must not cross the C interface.
    return functions.CreateStatus(ort::ORT_FAIL, "Int8Linear: out of memory");
  }
  return nullptr;
}

}  // namespace sparse_rerank
