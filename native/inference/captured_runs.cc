#include "inference/captured_runs.h"

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
      copier_(std::move(copier)),
      thread_([this] { work(); }) {}

CapturedRuns::~CapturedRuns() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CapturedRuns::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || job_ != nullptr; });
    if (job_ == nullptr) return;
    lock.unlock();
    (*job_)();
    lock.lock();
    job_ = nullptr;
    changed_.notify_all();
  }
}

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

Result<OrtPointer<ort::OrtValue>> CapturedRuns::run(std::span<const InputView> inputs, const Run& run) {
  const std::lock_guard turn(turn_);
  Result<OrtPointer<ort::OrtValue>> result = Error{"ERR_INTERNAL", "A CUDA graph did not run."};
  const std::function<void()> job = [&] { result = run_here(inputs, run); };
  std::unique_lock lock(mutex_);
  job_ = &job;
  changed_.notify_all();
  changed_.wait(lock, [this] { return job_ == nullptr; });
  return result;
}

Result<OrtPointer<ort::OrtValue>> CapturedRuns::run_here(std::span<const InputView> inputs, const Run& run) {
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
  ort::OrtTensorTypeAndShapeInfo* raw_info = nullptr;
  if (auto failure = runtime_->check(functions.GetTensorTypeAndShape(&sample, &raw_info), kDoing)) return *failure;
  const auto info = own(raw_info, functions.ReleaseTensorTypeAndShapeInfo);
  std::size_t rank = 0;
  if (auto failure = runtime_->check(functions.GetTensorElementType(raw_info, &capture.type), kDoing)) return *failure;
  if (auto failure = runtime_->check(functions.GetDimensionsCount(raw_info, &rank), kDoing)) return *failure;
  capture.shape.resize(rank);
  if (auto failure = runtime_->check(functions.GetDimensions(raw_info, capture.shape.data(), rank), kDoing)) return *failure;
  capture.bytes = element_bytes(capture.type);
  for (const std::int64_t dimension : capture.shape) capture.bytes *= static_cast<std::size_t>(dimension);

  const auto on_card = [&](std::span<const std::int64_t> shape, ort::ONNXTensorElementDataType type) -> Result<OrtPointer<ort::OrtValue>> {
    ort::OrtValue* value = nullptr;
    const auto status = functions.CreateTensorAsOrtValue(allocator_.get(), shape.data(), shape.size(), type, &value);
    if (auto failure = runtime_->check(status, kDoing)) return *failure;
    return own(value, functions.ReleaseValue);
  };
  ort::OrtIoBinding* raw_binding = nullptr;
  if (auto failure = runtime_->check(functions.CreateIoBinding(session_, &raw_binding), kDoing)) return *failure;
  capture.binding = own(raw_binding, functions.ReleaseIoBinding);
  for (const InputView& view : inputs) {
    auto value = on_card(std::span(view.shape).first(view.rank),
                         view.is_int32 ? ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
    if (!value) return std::move(value).error();
    const char* const name = kInputNames[static_cast<std::size_t>(view.input)].data();
    if (auto failure = runtime_->check(functions.BindInput(raw_binding, name, value.value().get()), kDoing)) return *failure;
    capture.inputs.push_back(std::move(value).value());
  }
  auto output = on_card(capture.shape, capture.type);
  if (!output) return std::move(output).error();
  capture.output = std::move(output).value();
  if (auto failure = runtime_->check(functions.BindOutput(raw_binding, output_name_.c_str(), capture.output.get()), kDoing))
    return *failure;

  ort::OrtRunOptions* raw_options = nullptr;
  if (auto failure = runtime_->check(functions.CreateRunOptions(&raw_options), kDoing)) return *failure;
  capture.options = own(raw_options, functions.ReleaseRunOptions);
  // ONNX Runtime captures a graph in the first run with its number, and repeats it in later ones.
  const std::string id = std::to_string(length);
  if (auto failure = runtime_->check(functions.AddRunConfigEntry(raw_options, kGraphId, id.c_str()), kDoing)) return *failure;
  return capture;
}

Result<OrtPointer<ort::OrtValue>> CapturedRuns::replay(const Capture& capture, std::span<const InputView> inputs) const {
  const ort::Functions& functions = runtime_->functions();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto data = data_of(capture.inputs[i].get());
    if (!data) return data.error();
    if (auto failure = copier_->to_card(data.value(), inputs[i].data.data(), inputs[i].data.size())) return *failure;
  }
  if (auto failure =
          runtime_->check(functions.RunWithBinding(session_, capture.options.get(), capture.binding.get()), "run a CUDA graph")) {
    return *failure;
  }
  ort::OrtAllocator* allocator = nullptr;
  if (auto failure = runtime_->check(functions.GetAllocatorWithDefaultOptions(&allocator), "read the output")) return *failure;
  ort::OrtValue* raw_result = nullptr;
  if (auto failure = runtime_->check(
          functions.CreateTensorAsOrtValue(allocator, capture.shape.data(), capture.shape.size(), capture.type, &raw_result),
          "read the output")) {
    return *failure;
  }
  auto result = own(raw_result, functions.ReleaseValue);
  const auto to = data_of(raw_result);
  const auto from = data_of(capture.output.get());
  if (!to) return to.error();
  if (!from) return from.error();
  if (auto failure = copier_->from_card(to.value(), from.value(), capture.bytes)) return *failure;
  return result;
}

Result<void*> CapturedRuns::data_of(ort::OrtValue* value) const {
  void* data = nullptr;
  if (auto failure = runtime_->check(runtime_->functions().GetTensorMutableData(value, &data), "find a tensor's memory")) return *failure;
  return data;
}

}  // namespace sparse_rerank
