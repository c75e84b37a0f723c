#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "inference/ort_abi.h"
#include "inference/runtime.h"

namespace sparse_rerank {

/// An operator of ours in a graph that ONNX Runtime executes on the CPU. All inputs and the one output are float tensors, unless a derived
/// class sets the callback that tells types. Derived classes set the callbacks that create and run a node.
class CustomOperator : protected ort::OrtCustomOp {
 public:
  static constexpr const char* kDomain = "sparse_rerank";

  CustomOperator(const CustomOperator&) = delete;
  CustomOperator& operator=(const CustomOperator&) = delete;

  [[nodiscard]] const ort::OrtCustomOp* custom_op() const { return this; }

 protected:
  /// @param required how many of the inputs, the first ones, every node has
  CustomOperator(const Runtime& runtime, const char* name, std::size_t inputs, std::size_t required);
  ~CustomOperator() = default;

  /// The operator that a callback was called for.
  template <typename Operator>
  static const Operator& self(const ort::OrtCustomOp* op) {
    return static_cast<const Operator&>(*static_cast<const CustomOperator*>(op));
  }

  [[nodiscard]] const ort::Functions& functions() const { return runtime_.functions(); }
  [[nodiscard]] const char* operator_name() const { return name_; }

 private:
  const Runtime& runtime_;
  const char* name_;
  std::size_t inputs_;
  std::size_t required_;
};

/// The data of a tensor in a run.
struct TensorView {
  static constexpr std::size_t kMostDimensions = 8;

  /// Also of int32 tensors, which the reader casts.
  float* data = nullptr;
  std::array<std::int64_t, kMostDimensions> dimensions{};
  std::size_t rank = 0;

  [[nodiscard]] std::span<const std::int64_t> shape() const { return std::span(dimensions).first(rank); }
  /// The size of a dimension.
  [[nodiscard]] std::size_t size(std::size_t dimension) const { return static_cast<std::size_t>(dimensions[dimension]); }
  [[nodiscard]] std::size_t elements() const;
};

/// Reads an input. @param view without data if the node lacks this input
[[nodiscard]] ort::OrtStatus* read_input(const ort::Functions& functions, ort::OrtKernelContext* context, std::size_t index,
                                         TensorView& view);

/// Allocates the output.
[[nodiscard]] ort::OrtStatus* make_output(const ort::Functions& functions, ort::OrtKernelContext* context,
                                          std::span<const std::int64_t> shape, float*& data);

}  // namespace sparse_rerank
