#include "inference/session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/platform_string.h"
#include "inference/external_data.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

/// Takes ownership of every status. Returns the first failure, if any.
Status check_all(const Runtime& runtime, std::span<ort::OrtStatus* const> steps) {
  Status first;
  for (ort::OrtStatus* status : steps) {
    auto failure = runtime.check(status, "set session options");
    if (!first) first = std::move(failure);
  }
  return first;
}

/// The inputs that an external ONNX model may have.
constexpr std::array kExportedInputs = {SessionInput::kIds, SessionInput::kMask, SessionInput::kTokenTypes};

std::string joined(std::span<const std::string> names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

using GetName = ort::OrtStatus*(SPARSE_RERANK_ORT_CALL*)(const ort::OrtSession*, std::size_t, ort::OrtAllocator*, char**);

Result<std::string> name_of(const Runtime& runtime, GetName get, const ort::OrtSession* session, std::size_t index) {
  const ort::Functions& functions = runtime.functions();
  ort::OrtAllocator* allocator = nullptr;
  if (auto failure = runtime.check(functions.GetAllocatorWithDefaultOptions(&allocator), "read a name")) return *failure;
  char* allocated = nullptr;
  if (auto failure = runtime.check(get(session, index, allocator, &allocated), "read a name")) return *failure;
  std::string name = allocated;
  if (auto failure = runtime.check(functions.AllocatorFree(allocator, allocated), "free a name")) return *failure;
  return name;
}

/// The element type of an input; 0 if it is not a tensor.
Result<ort::ONNXTensorElementDataType> element_type(const Runtime& runtime, const ort::OrtSession* session, std::size_t index) {
  const ort::Functions& functions = runtime.functions();
  ort::OrtTypeInfo* raw_type = nullptr;
  if (auto failure = runtime.check(functions.SessionGetInputTypeInfo(session, index, &raw_type), "read an input")) return *failure;
  const auto type = own(raw_type, functions.ReleaseTypeInfo);
  const ort::OrtTensorTypeAndShapeInfo* tensor = nullptr;
  if (auto failure = runtime.check(functions.CastTypeInfoToTensorInfo(raw_type, &tensor), "read an input")) return *failure;
  ort::ONNXTensorElementDataType element{};
  // Null if the input is not a tensor.
  if (tensor == nullptr) return element;
  if (auto failure = runtime.check(functions.GetTensorElementType(tensor, &element), "read an input")) return *failure;
  return element;
}

/// The options that all sessions share; each run uses one thread.
Result<OrtPointer<ort::OrtSessionOptions>> make_options(const Runtime& runtime, ort::GraphOptimizationLevel level) {
  const ort::Functions& functions = runtime.functions();
  ort::OrtSessionOptions* options = nullptr;
  if (auto failure = runtime.check(functions.CreateSessionOptions(&options), "create session options")) return *failure;
  auto owned = own(options, functions.ReleaseSessionOptions);
  const std::array steps = {
      functions.SetIntraOpNumThreads(options, 1),
      functions.SetInterOpNumThreads(options, 1),
      functions.SetSessionGraphOptimizationLevel(options, level),
      // A pattern is kept for every input shape; lengths vary, so they would accumulate.
      functions.DisableMemPattern(options),
  };
  if (auto failure = check_all(runtime, steps)) return *failure;
  return owned;
}

/// @param copied whether the session copies the weights. Weights used in place work only on the CPU: for another device ONNX Runtime would
///   ignore them and read the declared file.
Result<std::vector<Tensor>> add_weights(const Runtime& runtime, ort::OrtSessionOptions* options, std::span<const NamedWeight> weights,
                                        bool copied) {
  const ort::Functions& functions = runtime.functions();
  std::vector<Tensor> owners;
  std::vector<const char*> names;
  std::vector<const ort::OrtValue*> values;
  for (const NamedWeight& weight : weights) {
    auto value = wrap_tensor(runtime, weight.data, weight.type);
    if (!value) return std::move(value).error();
    names.push_back(weight.name.c_str());
    values.push_back(value.value().get());
    owners.push_back(std::move(value).value());
  }
  if (copied) {
    const auto status = functions.AddExternalInitializers(options, names.data(), values.data(), names.size());
    if (auto failure = runtime.check(status, "add the weights")) return *failure;
    return owners;
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (auto failure = runtime.check(functions.AddInitializer(options, names[i], values[i]), "add a weight")) return *failure;
  }
  return owners;
}

}  // namespace

std::span<const float> OutputTensor::floats() {
  if (!halves_.empty() && floats_.empty()) {
    widened_ = AlignedBuffer<float>(halves_.size());
    kernels().widen_f16(halves_.data(), halves_.size(), widened_.data());
    floats_ = {widened_.data(), widened_.size()};
  }
  return floats_;
}

RunControl::RunControl(const Runtime& runtime, ort::OrtRunOptions* options)
    : runtime_(&runtime), options_(own(options, runtime.functions().ReleaseRunOptions)) {}

Result<RunControl> RunControl::create(const Runtime& runtime, const std::string& giving_back) {
  ort::OrtRunOptions* options = nullptr;
  if (auto failure = runtime.check(runtime.functions().CreateRunOptions(&options), "create run options")) return *failure;
  RunControl control(runtime, options);
  // A session that captures CUDA graphs would otherwise capture in every run; other sessions ignore this.
  if (auto failure = runtime.check(runtime.functions().AddRunConfigEntry(options, kGraphId, "-1"), "set run options")) return *failure;
  if (!giving_back.empty()) {
    const char* key = "memory.enable_memory_arena_shrinkage";
    if (auto failure = runtime.check(runtime.functions().AddRunConfigEntry(options, key, giving_back.c_str()), "set run options")) {
      return *failure;
    }
  }
  return control;
}

void RunControl::terminate() const {
  // Fails only if out of memory; the run then continues to its end.
  static_cast<void>(runtime_->check(runtime_->functions().RunOptionsSetTerminate(options_.get()), "stop a run"));
}

Result<Session> Session::create(const Runtime& runtime, SessionSpec spec) {
  const ort::Functions& functions = runtime.functions();
  Session session(runtime);
  session.inputs_ = std::move(spec.inputs);
  session.output_name_ = std::move(spec.output_name);
  if (spec.prefix) {
    auto ports = PrefixPorts::create(runtime, *spec.prefix);
    if (!ports) return std::move(ports).error();
    session.prefix_ = std::move(ports).value();
  }

  auto options = make_options(runtime, spec.optimization);
  if (!options) return std::move(options).error();
  ort::OrtSessionOptions* const raw_options = options.value().get();
  const std::array steps = {
      functions.AddSessionConfigEntry(raw_options, "session.model_external_initializers_file_folder_path", spec.weight_folder.c_str()),
      // Constant folding reads weights from their declared file instead of the memory passed here, and would fold garbage.
      functions.AddSessionConfigEntry(raw_options, "optimization.disable_specified_optimizers", "ConstantFolding"),
  };
  if (auto failure = check_all(runtime, steps)) return *failure;

  if (!spec.operators.empty()) {
    ort::OrtCustomOpDomain* domain = nullptr;
    if (auto failure = runtime.check(functions.CreateCustomOpDomain(CustomOperator::kDomain, &domain), "create a domain")) return *failure;
    session.domain_ = own(domain, functions.ReleaseCustomOpDomain);
    std::vector<ort::OrtStatus*> additions;
    additions.reserve(spec.operators.size() + 1);
    for (const CustomOperator* op : spec.operators) additions.push_back(functions.CustomOpDomain_Add(domain, op->custom_op()));
    additions.push_back(functions.AddCustomOpDomain(raw_options, domain));
    if (auto failure = check_all(runtime, additions)) return *failure;
  }
  if (spec.cuda != nullptr) {
    // The arena would round their size up to a power of two.
    if (auto failure = runtime.check(functions.AddSessionConfigEntry(raw_options, "session.use_device_allocator_for_initializers", "1"),
                                     "set session options")) {
      return *failure;
    }
    auto cuda = make_cuda_options(runtime, *spec.cuda);
    if (!cuda) return std::move(cuda).error();
    if (auto failure =
            runtime.check(functions.SessionOptionsAppendExecutionProvider_CUDA_V2(raw_options, cuda.value().get()), "use CUDA")) {
      return *failure;
    }
  }

  auto initialisers = add_weights(runtime, raw_options, spec.weights, spec.copies_weights);
  if (!initialisers) return std::move(initialisers).error();
  ort::OrtSession* raw_session = nullptr;
  if (auto failure =
          runtime.check(functions.CreateSessionFromArray(runtime.env(), spec.graph.data(), spec.graph.size(), raw_options, &raw_session),
                        "load the model")) {
    return *failure;
  }
  session.session_ = own(raw_session, functions.ReleaseSession);
  if (!spec.copies_weights) session.initialisers_ = std::move(initialisers).value();
  if (spec.cuda != nullptr) {
    if (auto failure = session.pin_memory(*spec.cuda)) return *failure;
    if (spec.cuda->graphs) {
      auto captured = CapturedRuns::create(runtime, raw_session, session.output_name_, *spec.cuda);
      if (!captured) return std::move(captured).error();
      session.captured_ = std::move(captured).value();
    }
  }
  return session;
}

Result<Session> Session::open(const Runtime& runtime, const std::string& path, std::span<const std::string> output_names) {
  if (auto failure = check_onnx_files(path)) return *std::move(failure);
  auto options = make_options(runtime, ort::ORT_ENABLE_ALL);
  if (!options) return std::move(options).error();
#ifdef _WIN32
  const std::wstring platform_path = to_wide(path);
#else
  const std::string& platform_path = path;
#endif
  Session session(runtime);
  ort::OrtSession* raw_session = nullptr;
  if (auto failure =
          runtime.check(runtime.functions().CreateSession(runtime.env(), platform_path.c_str(), options.value().get(), &raw_session),
                        "load the ONNX file")) {
    return *failure;
  }
  session.session_ = own(raw_session, runtime.functions().ReleaseSession);
  if (auto failure = session.recognise(path, output_names)) return *failure;
  return session;
}

Status Session::recognise(const std::string& path, std::span<const std::string> output_names) {
  const ort::Functions& functions = runtime_->functions();
  std::size_t count = 0;
  if (auto failure = runtime_->check(functions.SessionGetInputCount(session_.get(), &count), "read the inputs")) return failure;
  for (std::size_t i = 0; i < count; ++i) {
    auto name = name_of(*runtime_, functions.SessionGetInputName, session_.get(), i);
    if (!name) return std::move(name).error();
    const auto known = input_named(name.value());
    if (!known || std::find(kExportedInputs.begin(), kExportedInputs.end(), *known) == kExportedInputs.end()) {
      return Error{"ERR_UNSUPPORTED_MODEL",
                   path + " has an unknown input " + name.value() + "; supported are input_ids, attention_mask and token_type_ids."};
    }
    auto type = element_type(*runtime_, session_.get(), i);
    if (!type) return std::move(type).error();
    if (type.value() != ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64) {
      return Error{"ERR_UNSUPPORTED_MODEL", path + ": the input " + name.value() + " is not of type int64."};
    }
    inputs_.push_back(*known);
  }
  if (std::find(inputs_.begin(), inputs_.end(), SessionInput::kIds) == inputs_.end()) {
    return Error{"ERR_UNSUPPORTED_MODEL", path + " has no input input_ids."};
  }

  std::vector<std::string> outputs;
  if (auto failure = runtime_->check(functions.SessionGetOutputCount(session_.get(), &count), "read the outputs")) return failure;
  for (std::size_t i = 0; i < count; ++i) {
    auto name = name_of(*runtime_, functions.SessionGetOutputName, session_.get(), i);
    if (!name) return std::move(name).error();
    outputs.push_back(std::move(name).value());
  }
  for (const std::string& wanted : output_names) {
    if (std::find(outputs.begin(), outputs.end(), wanted) == outputs.end()) continue;
    output_name_ = wanted;
    return std::nullopt;
  }
  if (outputs.size() == 1) {
    output_name_ = outputs.front();
    return std::nullopt;
  }
  return Error{"ERR_UNSUPPORTED_MODEL", path + " has the outputs " + joined(outputs) + "; supported are " + joined(output_names) + "."};
}

Status Session::pin_memory(const CudaSpec& cuda) {
  const ort::Functions& functions = runtime_->functions();
  ort::OrtMemoryInfo* memory = nullptr;
  if (auto failure =
          runtime_->check(functions.CreateMemoryInfo("CudaPinned", ort::OrtDeviceAllocator, cuda.device, ort::OrtMemTypeCPUOutput, &memory),
                          "pin memory")) {
    return failure;
  }
  pinned_memory_ = own(memory, functions.ReleaseMemoryInfo);
  ort::OrtAllocator* allocator = nullptr;
  if (auto failure = runtime_->check(functions.CreateAllocator(session_.get(), memory, &allocator), "pin memory")) return failure;
  pinned_ = own(allocator, functions.ReleaseAllocator);
  return std::nullopt;
}

Result<Tensor> Session::make_input(const InputView& view) const {
  const TensorType type = type_of(view);
  if (!pinned_) return wrap_tensor(*runtime_, view.data, type);
  auto tensor = make_tensor(*runtime_, pinned_.get(), type);
  if (!tensor) return tensor;
  const auto data = data_of(*runtime_, *tensor.value());
  if (!data) return data.error();
  std::memcpy(data.value(), view.data.data(), view.data.size());
  return tensor;
}

Result<Tensor> Session::run_bound(std::span<const InputView> inputs, const RunControl& control) const {
  const ort::Functions& functions = runtime_->functions();
  ort::OrtIoBinding* raw_binding = nullptr;
  if (auto failure = runtime_->check(functions.CreateIoBinding(session_.get(), &raw_binding), "bind")) return *failure;
  const auto binding = own(raw_binding, functions.ReleaseIoBinding);
  std::vector<Tensor> owners;
  for (const InputView& view : inputs) {
    auto value = make_input(view);
    if (!value) return std::move(value).error();
    const char* const name = kInputNames[static_cast<std::size_t>(view.input)].data();
    if (auto failure = runtime_->check(functions.BindInput(raw_binding, name, value.value().get()), "bind an input")) return *failure;
    owners.push_back(std::move(value).value());
  }
  if (auto failure =
          runtime_->check(functions.BindOutputToDevice(raw_binding, output_name_.c_str(), pinned_memory_.get()), "bind the output")) {
    return *failure;
  }
  if (auto failure = runtime_->check(functions.RunWithBinding(session_.get(), control.options(), raw_binding), "run the model")) {
    return *failure;
  }
  ort::OrtAllocator* allocator = nullptr;
  if (auto failure = runtime_->check(functions.GetAllocatorWithDefaultOptions(&allocator), "read the output")) return *failure;
  ort::OrtValue** outputs = nullptr;
  std::size_t count = 0;
  if (auto failure = runtime_->check(functions.GetBoundOutputValues(raw_binding, allocator, &outputs, &count), "read the output")) {
    return *failure;
  }
  auto output = own(outputs[0], functions.ReleaseValue);
  if (auto failure = runtime_->check(functions.AllocatorFree(allocator, static_cast<void*>(outputs)), "read the output")) return *failure;
  return output;
}

Result<OutputTensor> Session::run(std::span<const InputView> inputs, const RunControl& control, RunOptions options) const {
  auto output = options.captured ? captured_->run(inputs, [&] { return run_bound(inputs, control); })
                : pinned_        ? run_bound(inputs, control)
                                 : run_unbound(inputs, control, options.prefix);
  if (!output) return std::move(output).error();
  auto type = type_of(*runtime_, *output.value());
  if (!type) return std::move(type).error();
  const auto data = data_of(*runtime_, *output.value());
  if (!data) return data.error();
  const std::size_t count = type.value().count();
  std::vector<std::int64_t>& shape = type.value().shape;
  switch (type.value().element) {
    case ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return OutputTensor(std::move(output).value(), std::span(static_cast<const float*>(data.value()), count), std::move(shape));
    case ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return OutputTensor(std::move(output).value(), std::span(static_cast<const std::uint16_t*>(data.value()), count), std::move(shape));
    default:
      return Error{"ERR_UNSUPPORTED_MODEL", "The model's output " + output_name_ + " is neither float nor float16."};
  }
}

/// The inputs of a run, and what owns them.
struct Session::NamedInputs {
  std::vector<const char*> names;
  std::vector<const ort::OrtValue*> values;
  std::vector<Tensor> owners;
  /// The input kept_tokens.
  std::unique_ptr<std::int64_t> kept;
};

Result<Session::NamedInputs> Session::name_inputs(std::span<const InputView> inputs, const KeptPrefix* past, std::int64_t kept) const {
  NamedInputs named;
  const auto add = [&](const char* name, Tensor value) {
    named.names.push_back(name);
    named.values.push_back(value.get());
    named.owners.push_back(std::move(value));
  };
  for (const InputView& input : inputs) {
    auto value = make_input(input);
    if (!value) return std::move(value).error();
    add(kInputNames[static_cast<std::size_t>(input.input)].data(), std::move(value).value());
  }
  if (prefix_ == nullptr) return named;
  const std::span<const Tensor> tensors = (past == nullptr ? *prefix_->nothing : *past).tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    named.names.push_back(prefix_->past_names[i].c_str());
    named.values.push_back(tensors[i].get());
  }
  named.kept = std::make_unique<std::int64_t>(kept);
  auto value = wrap_tensor(*runtime_, std::as_bytes(std::span(named.kept.get(), 1)), {ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, {1}});
  if (!value) return std::move(value).error();
  add("kept_tokens", std::move(value).value());
  return named;
}

Result<Tensor> Session::run_unbound(std::span<const InputView> inputs, const RunControl& control, const KeptPrefix* past) const {
  const auto named = name_inputs(inputs, past, 0);
  if (!named) return named.error();
  const auto& [names, values, owners, kept] = named.value();
  const char* const output_name = output_name_.c_str();
  ort::OrtValue* output = nullptr;
  if (auto failure = runtime_->check(
          runtime_->functions().Run(session_.get(), control.options(), names.data(), values.data(), names.size(), &output_name, 1, &output),
          "run the model")) {
    return *failure;
  }
  return own(output, runtime_->functions().ReleaseValue);
}

Status Session::keep(std::span<const InputView> inputs, const RunControl& control, const KeptPrefix& prefix) const {
  const auto named = name_inputs(inputs, nullptr, static_cast<std::int64_t>(prefix.ids().size()));
  if (!named) return named.error();
  const auto& [names, values, owners, kept] = named.value();
  std::vector<const char*> output_names;
  for (const std::string& name : prefix_->kept_names) output_names.push_back(name.c_str());
  // ONNX Runtime writes to the tensors that it is given.
  std::vector<ort::OrtValue*> outputs;
  for (const Tensor& tensor : prefix.tensors()) outputs.push_back(tensor.get());
  return runtime_->check(runtime_->functions().Run(session_.get(), control.options(), names.data(), values.data(), names.size(),
                                                   output_names.data(), outputs.size(), outputs.data()),
                         "run the model");
}

}  // namespace sparse_rerank
