#include "binding/model.h"

#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "binding/cancel_token.h"
#include "binding/convert.h"
#include "binding/device.h"
#include "binding/prefix.h"
#include "inference/inference_job.h"

namespace sparse_rerank::binding {

namespace {

std::size_t read_size(const Napi::Value& value, const char* name) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (number < 0 || number > 9007199254740991.0 || number != std::floor(number))
    fail_contract(value.Env(), std::string(name) + " is not a size");
  return static_cast<std::size_t>(number);
}

WeightType read_dtype(const Napi::Value& value) {
  const std::string dtype = value.ToString();
  if (dtype == "F16") return WeightType::kF16;
  if (dtype == "BF16") return WeightType::kBF16;
  if (dtype != "F32") fail_contract(value.Env(), "unknown dtype " + dtype);
  return WeightType::kF32;
}

TensorLocation read_tensor(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  TensorLocation location;
  location.file = read_size(object.Get("file"), "file");
  location.offset = read_size(object.Get("offset"), "offset");
  location.type = read_dtype(object.Get("dtype"));
  const auto shape = object.Get("shape").As<Napi::Array>();
  for (std::uint32_t i = 0; i < shape.Length(); ++i) location.shape.push_back(static_cast<std::int64_t>(read_size(shape.Get(i), "shape")));
  return location;
}

Pooling read_pooling(const Napi::Object& object) {
  return object.Get("pooling").ToString().Utf8Value() == "sum" ? Pooling::kSum : Pooling::kMax;
}

SpladeActivation read_activation(const Napi::Object& object) {
  return object.Get("activation").ToString().Utf8Value() == "log1p_relu" ? SpladeActivation::kLog1pRelu : SpladeActivation::kRelu;
}

/// Tensor cores, and the attention biases of memory-efficient kernels, need multiples of 8.
constexpr std::size_t kLengthMultiple = 8;

SequenceSpec read_sequence_backend(const Napi::Object& object) {
  SequenceSpec spec;
  if (const Napi::Value int8_value = object.Get("int8"); int8_value.IsObject()) {
    const auto int8 = int8_value.As<Napi::Object>();
    const auto layers = int8.Get("layers").As<Napi::Array>();
    for (std::uint32_t i = 0; i < layers.Length(); ++i) {
      const auto layer = layers.Get(i).As<Napi::Object>();
      Int8LayerSpec& added = spec.int8_layers.emplace_back();
      added.weight = read_tensor(layer.Get("weight"));
      if (const Napi::Value bias = layer.Get("bias"); bias.IsObject()) added.bias = read_tensor(bias);
    }
    if (const Napi::Value folder = int8.Get("cacheFolder"); folder.IsString()) spec.int8_cache = read_path(folder);
  }
  if (const Napi::Value head_value = object.Get("head"); head_value.IsObject()) {
    const auto head_object = head_value.As<Napi::Object>();
    HeadSpec& head = spec.head.emplace();
    head.decoder = read_tensor(head_object.Get("decoder"));
    if (const Napi::Value bias = head_object.Get("bias"); bias.IsObject()) head.bias = read_tensor(bias);
    head.pooling = read_pooling(head_object);
    head.activation = read_activation(head_object);
  }
  if (const Napi::Value prefix_value = object.Get("prefix"); prefix_value.IsObject()) {
    const auto prefix_object = prefix_value.As<Napi::Object>();
    PrefixSpec& prefix = spec.prefix.emplace();
    prefix.layers = read_size(prefix_object.Get("layers"), "layers");
    prefix.heads = read_size(prefix_object.Get("heads"), "heads");
    prefix.head_size = read_size(prefix_object.Get("size"), "size");
    if (const Napi::Value pad = prefix_object.Get("pad"); pad.IsNumber()) prefix.pad = static_cast<std::int32_t>(read_size(pad, "pad"));
  }
  return spec;
}

GroupSpec read_group_backend(const Napi::Object& object) {
  GroupSpec spec;
  spec.bytes = read_size(object.Get("bytes"), "bytes");
  spec.layout.packed = object.Get("layout").ToString().Utf8Value() == "packed";
  spec.layout.multiple = kLengthMultiple;
  if (const Napi::Value length = object.Get("maxLength"); length.IsNumber()) spec.layout.max_length = read_size(length, "maxLength");
  if (const Napi::Value id = object.Get("positionsAfter"); id.IsNumber()) {
    spec.layout.positions_after = static_cast<std::int64_t>(read_size(id, "positionsAfter"));
  }
  if (object.Get("activation").IsString()) spec.activation = read_activation(object);
  if (const Napi::Value cuda = object.Get("cuda"); cuda.IsObject()) spec.cuda = read_cuda(cuda.As<Napi::Object>());
  return spec;
}

std::variant<SequenceSpec, GroupSpec> read_backend(const Napi::Object& object) {
  const std::string kind = object.Get("kind").ToString();
  if (kind == "sequences") return read_sequence_backend(object);
  if (kind == "groups") return read_group_backend(object);
  fail_contract(object.Env(), "unknown backend " + kind);
}

ModelSpec read_spec(const Napi::Object& object) {
  ModelSpec spec;
  const auto graph = object.Get("graph").As<Napi::Uint8Array>();
  spec.graph.assign(reinterpret_cast<const char*>(graph.Data()), graph.ByteLength());
  spec.weight_folder = read_path(object.Get("weightFolder"));
  const auto files = object.Get("files").As<Napi::Array>();
  for (std::uint32_t i = 0; i < files.Length(); ++i) spec.files.push_back(read_path(files.Get(i)));
  const auto weights = object.Get("weights").As<Napi::Array>();
  for (std::uint32_t i = 0; i < weights.Length(); ++i) {
    const auto weight = weights.Get(i).As<Napi::Object>();
    spec.weights.push_back({weight.Get("name").ToString(), read_tensor(weight.Get("tensor")), read_dtype(weight.Get("dtype")),
                            weight.Get("packed").ToBoolean()});
  }
  const auto inputs = object.Get("inputs").As<Napi::Array>();
  for (std::uint32_t i = 0; i < inputs.Length(); ++i) {
    const auto input = input_named(inputs.Get(i).ToString().Utf8Value());
    if (!input) fail_contract(object.Env(), "unknown input " + inputs.Get(i).ToString().Utf8Value());
    spec.inputs.push_back(*input);
  }
  spec.backend = read_backend(object.Get("backend").As<Napi::Object>());
  return spec;
}

ExportSpec read_export(const Napi::Object& object) {
  ExportSpec spec;
  spec.file = read_path(object.Get("file"));
  if (const Napi::Value vectors_value = object.Get("vectors"); vectors_value.IsObject()) {
    const auto vectors = vectors_value.As<Napi::Object>();
    spec.vectors = {read_size(vectors.Get("columns"), "columns"), read_pooling(vectors), read_activation(vectors)};
  }
  return spec;
}

Sequences read_sequences(const Napi::Object& object) {
  Sequences sequences;
  sequences.ids = copy_array<std::int32_t>(object.Get("ids"), "ids");
  sequences.offsets = copy_array<std::uint32_t>(object.Get("offsets"), "offsets");
  if (const Napi::Value types = object.Get("typeIds"); !types.IsUndefined())
    sequences.type_ids = copy_array<std::uint8_t>(types, "typeIds");
  if (const Napi::Value bytes = object.Get("bytes"); !bytes.IsUndefined()) sequences.bytes = copy_array<double>(bytes, "bytes");
  if (const Napi::Value prefix = object.Get("prefix"); !prefix.IsUndefined()) sequences.prefix = PrefixWrap::from(prefix).kept();
  if (const auto failure = sequences.check()) fail(object.Env(), *failure);
  return sequences;
}

/// 0 for no limit.
std::size_t read_max_threads(const Napi::Object& spec) {
  const Napi::Value threads = spec.Get("maxThreads");
  return threads.IsUndefined() ? 0 : read_size(threads, "maxThreads");
}

/// What the constructor of NativeModel takes.
struct Loaded {
  std::shared_ptr<const Model> model;
  std::size_t max_threads = 0;
};

/// @tparam Spec ModelSpec or ExportSpec
template <typename Spec>
class LoadWork final : public PromiseWork {
 public:
  LoadWork(Spec spec, std::size_t max_threads) : PromiseWork(1), spec_(std::move(spec)), loaded_{nullptr, max_threads} {}

 private:
  Status run(std::size_t) override {
    auto model = Model::load(spec_);
    if (!model) return std::move(model).error();
    loaded_.model = std::move(model).value();
    return std::nullopt;
  }

  Napi::Value result(Napi::Env env) override {
    return Environment::of(env).model_class().New({Napi::External<Loaded>::New(env, &loaded_)});
  }

  Spec spec_;
  Loaded loaded_;
};

/// @tparam Inference EncodeJob or PredictJob
template <typename Inference>
class InferenceWork : public PromiseWork {
 protected:
  InferenceWork(std::unique_ptr<Inference> job, Schedule schedule) : PromiseWork(job->tasks(), std::move(schedule)), job_(std::move(job)) {}
  [[nodiscard]] const Inference& job() const { return *job_; }
  /// See NativeTimes. JS thread.
  [[nodiscard]] Napi::Value times_to_js(Napi::Env env) const {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const Times wall = times();
    const std::array<double, 4> values = {Milliseconds(wall.queued).count(), Milliseconds(wall.ran).count(),
                                          Milliseconds(job_->body_time()).count(), Milliseconds(job_->head_time()).count()};
    return make_array<Napi::Float64Array>(env, std::span<const double>(values));
  }

 private:
  Status run(std::size_t task) override { return job_->run(task); }
  void interrupt() override { job_->interrupt(); }
  void release() override { job_->release_model(); }

  std::unique_ptr<Inference> job_;
};

class EncodeWork final : public InferenceWork<EncodeJob> {
 public:
  EncodeWork(std::unique_ptr<EncodeJob> job, Schedule schedule) : InferenceWork(std::move(job), std::move(schedule)) {}

 private:
  Napi::Value result(Napi::Env env) override {
    const std::span<const SpladeRow> rows = job().rows();
    std::size_t total = 0;
    for (const SpladeRow& row : rows) total += row.indices.size();
    if (total > std::numeric_limits<std::uint32_t>::max()) {
      fail(env, {"ERR_TOO_LARGE", "The result has more than 2^32 - 1 weights; encode in smaller parts (encodeDocumentStream)."});
    }
    auto indptr = new_array<Napi::Uint32Array>(env, rows.size() + 1);
    auto indices = new_array<Napi::Uint32Array>(env, total);
    auto values = new_array<Napi::Float32Array>(env, total);
    auto positions = new_array<Napi::Uint32Array>(env, job().positions() ? total : 0);
    std::uint32_t end = 0;
    indptr[0] = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const SpladeRow& row = rows[i];
      std::copy(row.indices.begin(), row.indices.end(), indices.Data() + end);
      std::copy(row.values.begin(), row.values.end(), values.Data() + end);
      std::copy(row.positions.begin(), row.positions.end(), positions.Data() + end);
      end += static_cast<std::uint32_t>(row.indices.size());
      indptr[i + 1] = end;
    }
    auto csr = Napi::Object::New(env);
    csr.Set("indptr", indptr);
    csr.Set("indices", indices);
    csr.Set("values", values);
    if (job().positions()) csr.Set("positions", positions);
    csr.Set("times", times_to_js(env));
    return csr;
  }
};

class PredictWork final : public InferenceWork<PredictJob> {
 public:
  PredictWork(std::unique_ptr<PredictJob> job, Schedule schedule) : InferenceWork(std::move(job), std::move(schedule)) {}

 private:
  Napi::Value result(Napi::Env env) override {
    auto predicted = Napi::Object::New(env);
    predicted.Set("logits", to_js(env, job().logits()));
    predicted.Set("times", times_to_js(env));
    return predicted;
  }
};

}  // namespace

Napi::Function ModelWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {method<&ModelWrap::encode>("encode"), method<&ModelWrap::predict>("predict"), method<&ModelWrap::keep>("keep"),
                      method<&ModelWrap::dispose>("dispose")});
}

ModelWrap::ModelWrap(const Napi::CallbackInfo& info) : GuardedWrap(info) {
  if (!info[0].IsExternal()) fail_contract(info.Env(), "a model is made by createModel");
  Loaded& loaded = *info[0].As<Napi::External<Loaded>>().Data();
  model_ = std::move(loaded.model);
  if (loaded.max_threads > 0) limit_ = std::make_shared<TaskLimit>(loaded.max_threads);
  // Tells the garbage collector how much memory this small object keeps alive.
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), static_cast<std::int64_t>(model_->owned_bytes()));
}

void ModelWrap::Finalize(Napi::Env env) {
  if (model_) Napi::MemoryManagement::AdjustExternalMemory(env, -static_cast<std::int64_t>(model_->owned_bytes()));
}

Napi::Value ModelWrap::create(const Napi::CallbackInfo& info) {
  const auto spec = info[0].As<Napi::Object>();
  return Environment::of(info.Env()).start(std::make_shared<LoadWork<ModelSpec>>(read_spec(spec), read_max_threads(spec)));
}

Napi::Value ModelWrap::open(const Napi::CallbackInfo& info) {
  const auto spec = info[0].As<Napi::Object>();
  return Environment::of(info.Env()).start(std::make_shared<LoadWork<ExportSpec>>(read_export(spec), read_max_threads(spec)));
}

const std::shared_ptr<const Model>& ModelWrap::model(Napi::Env env) const {
  if (!model_) fail(env, {"ERR_DISPOSED", "The model was disposed."});
  return model_;
}

Napi::Promise ModelWrap::start(Napi::Env env, const std::shared_ptr<PromiseWork>& work, const Napi::Value& options) {
  CancelToken* const token = CancelToken::from(options.As<Napi::Object>());
  jobs_.add(work);
  const Napi::Promise promise = Environment::of(env).start(work);
  if (token != nullptr) token->attach(work);
  return promise;
}

Schedule ModelWrap::schedule(const Napi::Object& options, std::size_t tokens) const {
  Schedule schedule;
  schedule.work = static_cast<double>(tokens);
  schedule.limit = limit_;
  if (const Napi::Value priority = options.Get("priority"); priority.IsNumber()) schedule.priority = priority.As<Napi::Number>();
  if (const Napi::Value value = options.Get("turn"); value.IsObject()) {
    const auto turn = value.As<Napi::Object>();
    schedule.turn = {turn.Get("virtualFinish").As<Napi::Number>().DoubleValue(), read_size(turn.Get("arrival"), "arrival")};
  }
  return schedule;
}

Napi::Value ModelWrap::encode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto options = info[1].As<Napi::Object>();
  if (!model(env)->knows_positions() && options.Get("positions").ToBoolean()) fail_contract(env, "positions without a SPLADE head");
  const Napi::Value keep = options.Get("maxActiveDims");
  Sequences sequences = read_sequences(info[0].As<Napi::Object>());
  Schedule schedule = this->schedule(options, sequences.ids.size());
  auto job = EncodeJob::create(
      model(env), std::move(sequences),
      {.keep = keep.IsUndefined() ? 0 : read_size(keep, "maxActiveDims"), .positions = options.Get("positions").ToBoolean()});
  if (!job) fail(env, job.error());
  return start(env, std::make_shared<EncodeWork>(std::move(job).value(), std::move(schedule)), options);
}

Napi::Value ModelWrap::predict(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (model(env)->knows_positions()) fail_contract(env, "predict on a sparse encoder");
  const auto options = info[2].As<Napi::Object>();
  Sequences sequences = read_sequences(info[0].As<Napi::Object>());
  Schedule schedule = this->schedule(options, sequences.ids.size());
  auto job = PredictJob::create(model(env), std::move(sequences), read_size(info[1], "labels"));
  if (!job) fail(env, job.error());
  return start(env, std::make_shared<PredictWork>(std::move(job).value(), std::move(schedule)), options);
}

Napi::Value ModelWrap::keep(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const PrefixWrap& prefix = PrefixWrap::from(info[0]);
  const auto options = info[2].As<Napi::Object>();
  auto job = PrefixJob::create(model(env), prefix.ids(), read_size(info[1], "bytes"));
  if (!job) fail(env, job.error());
  return start(env, prefix.work(std::move(job).value(), schedule(options, prefix.ids().size())), options);
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  if (!model_) return info.Env().Undefined();
  Finalize(info.Env());
  model_.reset();
  jobs_.cancel_all({"ERR_DISPOSED", "The model was disposed while this call was waiting."});
  return info.Env().Undefined();
}

}  // namespace sparse_rerank::binding
