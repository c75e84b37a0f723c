#include "inference/session.h"

#include <array>
#include <utility>

namespace sparse_rerank {

namespace {

template <typename T>
OrtPointer<T> own(T* object, void(SPARSE_RERANK_ORT_CALL* release)(T*)) {
  return OrtPointer<T>(object, OrtDeleter<T>{release});
}

/// Wraps memory as a tensor without copying it.
template <typename T>
Result<OrtPointer<ort::OrtValue>> wrap(const Runtime& runtime, std::span<const T> data, std::span<const std::int64_t> shape,
                                       ort::ONNXTensorElementDataType type) {
  ort::OrtValue* value = nullptr;
  // The interface has no const variant; inputs and initialisers are only read.
  if (auto failure =
          runtime.check(runtime.functions().CreateTensorWithDataAsOrtValue(runtime.cpu_memory(), const_cast<T*>(data.data()),
                                                                           data.size_bytes(), shape.data(), shape.size(), type, &value),
                        "wrap a tensor")) {
    return *failure;
  }
  return own(value, runtime.functions().ReleaseValue);
}

}  // namespace

RunControl::RunControl(const Runtime& runtime, ort::OrtRunOptions* options)
    : runtime_(&runtime), options_(own(options, runtime.functions().ReleaseRunOptions)) {}

Result<RunControl> RunControl::create(const Runtime& runtime, bool give_back) {
  ort::OrtRunOptions* options = nullptr;
  if (auto failure = runtime.check(runtime.functions().CreateRunOptions(&options), "make run options")) return *failure;
  RunControl control(runtime, options);
  if (give_back) {
    const char* key = "memory.enable_memory_arena_shrinkage";
    if (auto failure = runtime.check(runtime.functions().AddRunConfigEntry(options, key, "cpu:0"), "set run options")) return *failure;
  }
  return control;
}

void RunControl::terminate() const {
  // It can only fail for lack of memory, and then the run simply goes on to its end.
  static_cast<void>(runtime_->check(runtime_->functions().RunOptionsSetTerminate(options_.get()), "stop a run"));
}

Result<Session> Session::create(const Runtime& runtime, std::span<const std::byte> graph, const std::string& weight_folder,
                                std::span<const NamedWeight> weights, bool token_types, std::string output_name) {
  const ort::Functions& functions = runtime.functions();
  Session session(runtime, token_types, std::move(output_name));

  ort::OrtSessionOptions* raw_options = nullptr;
  if (auto failure = runtime.check(functions.CreateSessionOptions(&raw_options), "make session options")) return *failure;
  const auto options = own(raw_options, functions.ReleaseSessionOptions);
  const std::array steps = {
      functions.SetIntraOpNumThreads(raw_options, 1),
      functions.SetInterOpNumThreads(raw_options, 1),
      functions.SetSessionGraphOptimizationLevel(raw_options, ort::ORT_ENABLE_ALL),
      // Patterns are remembered for every input shape; lengths vary freely here, so they would only pile up.
      functions.DisableMemPattern(raw_options),
      functions.AddSessionConfigEntry(raw_options, "session.model_external_initializers_file_folder_path", weight_folder.c_str()),
      // Constant folding reads weights from their declared file, not from the memory that they are given in, and so would fold garbage.
      functions.AddSessionConfigEntry(raw_options, "optimization.disable_specified_optimizers", "ConstantFolding"),
  };
  Status first_failure;
  for (ort::OrtStatus* status : steps) {
    auto failure = runtime.check(status, "set session options");
    if (!first_failure) first_failure = std::move(failure);
  }
  if (first_failure) return *first_failure;

  session.initialisers_.reserve(weights.size());
  for (const NamedWeight& weight : weights) {
    auto value = wrap(runtime, weight.data, std::span<const std::int64_t>(weight.shape), ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    if (!value) return std::move(value).error();
    if (auto failure = runtime.check(functions.AddInitializer(raw_options, weight.name.c_str(), value.value().get()), "add a weight")) {
      return *failure;
    }
    session.initialisers_.push_back(std::move(value).value());
  }

  ort::OrtSession* raw_session = nullptr;
  if (auto failure = runtime.check(functions.CreateSessionFromArray(runtime.env(), graph.data(), graph.size(), raw_options, &raw_session),
                                   "load the model")) {
    return *failure;
  }
  session.session_ = own(raw_session, functions.ReleaseSession);
  return session;
}

Result<OutputTensor> Session::run(std::span<const std::int64_t> ids, std::span<const std::int64_t> type_ids, std::size_t batch,
                                  std::size_t length, const RunControl& control) const {
  const ort::Functions& functions = runtime_->functions();
  const std::array shape = {static_cast<std::int64_t>(batch), static_cast<std::int64_t>(length)};
  auto ids_value = wrap(*runtime_, ids, shape, ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
  if (!ids_value) return std::move(ids_value).error();
  auto types_value = wrap(*runtime_, type_ids, shape, ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
  if (!types_value) return std::move(types_value).error();

  const std::array names = {"input_ids", "token_type_ids"};
  const std::array<const ort::OrtValue*, 2> inputs = {ids_value.value().get(), types_value.value().get()};
  const char* output_name = output_name_.c_str();
  ort::OrtValue* raw_output = nullptr;
  if (auto failure = runtime_->check(
          functions.Run(session_.get(), control.options(), names.data(), inputs.data(), token_types_ ? 2 : 1, &output_name, 1, &raw_output),
          "run the model")) {
    return *failure;
  }
  auto output = own(raw_output, functions.ReleaseValue);

  ort::OrtTensorTypeAndShapeInfo* raw_info = nullptr;
  if (auto failure = runtime_->check(functions.GetTensorTypeAndShape(raw_output, &raw_info), "read the output")) return *failure;
  const auto info = own(raw_info, functions.ReleaseTensorTypeAndShapeInfo);
  ort::ONNXTensorElementDataType type{};
  std::size_t rank = 0;
  if (auto failure = runtime_->check(functions.GetTensorElementType(raw_info, &type), "read the output")) return *failure;
  if (auto failure = runtime_->check(functions.GetDimensionsCount(raw_info, &rank), "read the output")) return *failure;
  std::vector<std::int64_t> output_shape(rank);
  if (auto failure = runtime_->check(functions.GetDimensions(raw_info, output_shape.data(), rank), "read the output")) return *failure;
  if (type != ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) return Error{"ERR_INTERNAL", "The graph's output is not float."};
  std::size_t count = 1;
  for (const std::int64_t dimension : output_shape) count *= static_cast<std::size_t>(dimension);
  void* data = nullptr;
  if (auto failure = runtime_->check(functions.GetTensorMutableData(raw_output, &data), "read the output")) return *failure;
  return OutputTensor(std::move(output), {static_cast<const float*>(data), count}, std::move(output_shape));
}

}  // namespace sparse_rerank
