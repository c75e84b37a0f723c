#include "inference/activation_operator.h"

#include <algorithm>
#include <new>

namespace sparse_rerank {

namespace {

/// Lets the output take the memory of x if nothing else reads it.
std::size_t SPARSE_RERANK_ORT_CALL in_place(int** input, int** output) {
  static int first_input = 0;
  static int first_output = 0;
  *input = &first_input;
  *output = &first_output;
  return 1;
}

void SPARSE_RERANK_ORT_CALL release(int*, int*) {}

}  // namespace

/// The state of one node of a graph.
struct ActivationOperator::Kernel {
  const ort::Functions& functions;
  const KernelTable& kernels;
  Function function;
  SwishShape shape;
};

ActivationOperator::ActivationOperator(const Runtime& runtime, const KernelTable& kernels, Function function)
    : CustomOperator(runtime, function == Function::kGelu ? "Gelu" : "Swish", 2, 1), kernels_(kernels), function_(function) {
  CreateKernelV2 = create;
  KernelComputeV2 = compute;
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  GetMayInplace = in_place;
  ReleaseMayInplace = release;
}

ort::OrtStatus* ActivationOperator::create(const ort::OrtCustomOp* op, const void*, const ort::OrtKernelInfo* info, void** kernel) {
  const auto& own = self<ActivationOperator>(op);
  const ort::Functions& functions = own.functions();
  SwishShape shape{};
  if (own.function_ == Function::kSwish) {
    if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_float(info, "linear", &shape.linear)) return failure;
    if (ort::OrtStatus* failure = functions.KernelInfoGetAttribute_float(info, "cubic", &shape.cubic)) return failure;
  }
  *kernel = new (std::nothrow) Kernel{functions, own.kernels_, own.function_, shape};
  return *kernel == nullptr ? functions.CreateStatus(ort::ORT_FAIL, "an activation is out of memory") : nullptr;
}

/// Pool thread, inside a run.
ort::OrtStatus* ActivationOperator::compute(void* kernel, ort::OrtKernelContext* context) {
  const auto& [functions, kernels, function, shape] = *static_cast<const Kernel*>(kernel);
  TensorView x;
  TensorView up;
  if (ort::OrtStatus* failure = read_input(functions, context, 0, x)) return failure;
  if (ort::OrtStatus* failure = read_input(functions, context, 1, up)) return failure;
  if (up.data != nullptr && !std::ranges::equal(x.shape(), up.shape()))
    return functions.CreateStatus(ort::ORT_FAIL, "the factor of an activation has another shape");
  float* out = nullptr;
  if (ort::OrtStatus* failure = make_output(functions, context, x.shape(), out)) return failure;
  if (function == Function::kGelu) {
    kernels.gelu(x.data, up.data, x.elements(), out);
  } else {
    kernels.swish(x.data, up.data, x.elements(), shape, out);
  }
  return nullptr;
}

}  // namespace sparse_rerank
