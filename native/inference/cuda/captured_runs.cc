#include "inference/cuda/captured_runs.h"

#include <utility>

namespace sparse_rerank {

namespace {

std::size_t element_bytes(ort::ONNXTensorElementDataType type) {
  return type == ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? sizeof(float) : sizeof(std::uint16_t);
}

}  // namespace

CapturedRuns::CapturedRuns(const Runtime& runtime, ort::OrtSession* session, std::string output_name, OrtPointer<ort::OrtMemoryInfo> memory,
                           OrtPointer<ort::OrtAllocator> allocator, std::unique_ptr<const CudaDriver::Copier> copier)
    : runtime_(&runtime),
      session_(session),
      output_name_(std::move(output_name)),
      memory_(std::move(memory)),
      allocator_(std::move(allocator)),
      copier_(std::move(copier)) {}

Result<std::unique_ptr<CapturedRuns>> CapturedRuns::create(const Runtime& runtime, ort::OrtSession* session, std::string output_name,
                                                           const CudaSpec& cuda) {
  const ort::Functions& functions = runtime.functions();
  ort::OrtMemoryInfo* raw_memory = nullptr;
  if (auto failure =
          runtime.check(functions.CreateMemoryInfo("Cuda", ort::OrtDeviceAllocator, cuda.device, ort::OrtMemTypeDefault, &raw_memory),
                        "use CUDA graphs")) {
    return *failure;
  }
  auto memory = own(raw_memory, functions.ReleaseMemoryInfo);
  ort::OrtAllocator* raw_allocator = nullptr;
  if (auto failure = runtime.check(functions.CreateAllocator(session, raw_memory, &raw_allocator), "use CUDA graphs")) return *failure;
  auto allocator = own(raw_allocator, functions.ReleaseAllocator);
  const auto driver = CudaDriver::open();
  if (!driver) return driver.error();
  auto copier = driver.value().copier(cuda.device);
  if (!copier) return std::move(copier).error();
  return std::unique_ptr<CapturedRuns>(
      new CapturedRuns(runtime, session, std::move(output_name), std::move(memory), std::move(allocator), std::move(copier).value()));
}

Result<Tensor> CapturedRuns::run(std::span<const InputView> inputs, const Run& run) {
  Result<Tensor> result = Error{"ERR_INTERNAL", "A CUDA graph did not run."};
  thread_.run([&] { result = run_here(inputs, run); });
  return result;
}

Result<Tensor> CapturedRuns::run_here(std::span<const InputView> inputs, const Run& run) {
  const std::int64_t length = inputs.front().shape[1];
  const auto known = captures_.find(length);
  if (known != captures_.end()) return replay(known->second, inputs);
  auto sample = run();
  if (!sample) return sample;
  auto capture = prepare(inputs, *sample.value(), length);
  if (!capture) return std::move(capture).error();
  captures_.emplace(length, std::move(capture).value());
  return sample;
}

Result<CapturedRuns::Capture> CapturedRuns::prepare(std::span<const InputView> inputs, const ort::OrtValue& sample,
                                                    std::int64_t length) const {
  const ort::Functions& functions = runtime_->functions();
  constexpr const char* kDoing = "prepare a CUDA graph";
  Capture capture;
  auto type = type_of(*runtime_, sample);
  if (!type) return std::move(type).error();
  capture.type = std::move(type).value();
  ort::OrtIoBinding* raw_binding = nullptr;
  if (auto failure = runtime_->check(functions.CreateIoBinding(session_, &raw_binding), kDoing)) return *failure;
  capture.binding = own(raw_binding, functions.ReleaseIoBinding);
  for (const InputView& view : inputs) {
    auto value = make_tensor(*runtime_, allocator_.get(), type_of(view));
    if (!value) return std::move(value).error();
    const char* const name = kInputNames[static_cast<std::size_t>(view.input)].data();
    if (auto failure = runtime_->check(functions.BindInput(raw_binding, name, value.value().get()), kDoing)) return *failure;
    capture.inputs.push_back(std::move(value).value());
  }
  auto output = make_tensor(*runtime_, allocator_.get(), capture.type);
  if (!output) return std::move(output).error();
  capture.output = std::move(output).value();
  if (auto failure = runtime_->check(functions.BindOutput(raw_binding, output_name_.c_str(), capture.output.get()), kDoing))
    return *failure;

  ort::OrtRunOptions* raw_options = nullptr;
  if (auto failure = runtime_->check(functions.CreateRunOptions(&raw_options), kDoing)) return *failure;
  capture.options = own(raw_options, functions.ReleaseRunOptions);
  // ONNX Runtime captures a graph in the first run with its id, and replays it in later ones.
  const std::string id = std::to_string(length);
  if (auto failure = runtime_->check(functions.AddRunConfigEntry(raw_options, kGraphId, id.c_str()), kDoing)) return *failure;
  return capture;
}

Result<Tensor> CapturedRuns::replay(const Capture& capture, std::span<const InputView> inputs) const {
  const ort::Functions& functions = runtime_->functions();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto data = data_of(*runtime_, *capture.inputs[i]);
    if (!data) return data.error();
    if (auto failure = copier_->to_card(data.value(), inputs[i].data.data(), inputs[i].data.size())) return *failure;
  }
  if (auto failure =
          runtime_->check(functions.RunWithBinding(session_, capture.options.get(), capture.binding.get()), "run a CUDA graph")) {
    return *failure;
  }
  ort::OrtAllocator* allocator = nullptr;
  if (auto failure = runtime_->check(functions.GetAllocatorWithDefaultOptions(&allocator), "read the output")) return *failure;
  auto result = make_tensor(*runtime_, allocator, capture.type);
  if (!result) return result;
  const auto to = data_of(*runtime_, *result.value());
  const auto from = data_of(*runtime_, *capture.output);
  if (!to) return to.error();
  if (!from) return from.error();
  const std::size_t bytes = capture.type.count() * element_bytes(capture.type.element);
  if (auto failure = copier_->from_card(to.value(), from.value(), bytes)) return *failure;
  return result;
}

}  // namespace sparse_rerank
