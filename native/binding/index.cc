#include "binding/index.h"

#include <string>
#include <utility>

#include "binding/cancel_token.h"
#include "binding/convert.h"
#include "binding/index_work.h"

namespace sparse_rerank::binding {

Napi::Function IndexWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeIndex",
      {method<&IndexWrap::add>("add"), method<&IndexWrap::remove>("remove"), method<&IndexWrap::contains>("contains"),
       method<&IndexWrap::search>("search"), method<&IndexWrap::merge_step>("mergeStep"), method<&IndexWrap::save>("save"),
       method<&IndexWrap::stats>("stats"), method<&IndexWrap::dimension>("dimension"), method<&IndexWrap::dispose>("dispose")});
}

IndexWrap::IndexWrap(const Napi::CallbackInfo& info) : GuardedWrap(info) {
  if (info[0].IsExternal()) {
    index_ = *info[0].As<Napi::External<std::shared_ptr<SegmentedIndex>>>().Data();
    return;
  }
  const std::uint32_t dimension = info[0].As<Napi::Number>().Uint32Value();
  if (dimension == 0 || dimension > kMaxDimension) {
    fail(info.Env(), {"ERR_TOO_LARGE", "An index has 1 to " + std::to_string(kMaxDimension) + " dimensions."});
  }
  index_ = guarded(info.Env(), [&] { return SegmentedIndex::create(dimension); });
}

Napi::Value IndexWrap::open(const Napi::CallbackInfo& info) {
  const auto given = info[1].As<Napi::Object>();
  SegmentedIndex::OpenOptions options;
  if (const Napi::Value dimension = given.Get("dimension"); dimension.IsNumber()) {
    options.dimension = dimension.As<Napi::Number>().Uint32Value();
  }
  options.read_only = given.Get("readOnly").ToBoolean();
  return Environment::of(info.Env()).start(std::make_shared<OpenWork>(read_path(info[0]), options));
}

const std::shared_ptr<SegmentedIndex>& IndexWrap::index(Napi::Env env) const {
  if (!index_) fail(env, {"ERR_DISPOSED", "The index was disposed."});
  return index_;
}

Napi::Promise IndexWrap::start(Napi::Env env, const std::shared_ptr<PromiseWork>& work) {
  jobs_.add(work);
  return Environment::of(env).start(work);
}

Napi::Value IndexWrap::add(const Napi::CallbackInfo& info) {
  // The index checks the rows itself, on the pool.
  Rows rows = copy_rows(info[0]);
  if (rows.indptr.empty()) fail(info.Env(), {"ERR_INVALID_ARGUMENT", "indptr is empty; it must have one entry more than there are rows."});
  Strings ids = read_strings(info[1]);
  Strings stored = read_strings(info[2]);
  Attributes attributes = read_attributes(info[3], ids.view().size());
  if (ids.view().size() + 1 != rows.indptr.size() || (!stored.offsets.empty() && stored.view().size() != ids.view().size())) {
    fail_contract(info.Env(), "as many ids and stored values as rows");
  }
  return start(info.Env(),
               std::make_shared<AddWork>(index(info.Env()), std::move(rows), std::move(ids), std::move(stored), std::move(attributes)));
}

Napi::Value IndexWrap::remove(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<RemoveWork>(index(info.Env()), read_strings(info[0])));
}

Napi::Value IndexWrap::contains(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<ContainsWork>(index(info.Env())->snapshot(), read_strings(info[0])));
}

Napi::Value IndexWrap::search(const Napi::CallbackInfo& info) {
  const auto& owner = index(info.Env());
  const auto options = info[2].As<Napi::Object>();
  CancelToken* const token = CancelToken::from(options);
  SearchRequest request = {read_rows(info[0], owner->dimension()), {info[1].As<Napi::Number>().Uint32Value()}, {}, false};
  if (const Napi::Value recall = options.Get("recall"); recall.IsNumber()) request.wanted.recall = recall.As<Napi::Number>().DoubleValue();
  if (const Napi::Value filter = options.Get("filter"); filter.IsObject()) request.filter = read_filter(filter);
  request.with_stored = options.Get("stored").ToBoolean();
  const auto work = std::make_shared<SearchWork>(owner->snapshot(), std::move(request));
  const Napi::Promise promise = start(info.Env(), work);
  if (token != nullptr) token->attach(work);
  return promise;
}

Napi::Value IndexWrap::merge_step(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<MergeStepWork>(index(info.Env()), info[0].ToBoolean()));
}

Napi::Value IndexWrap::save(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<SaveWork>(index(info.Env()), read_path(info[0])));
}

Napi::Value IndexWrap::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const IndexStats stats = index(env)->stats();
  auto object = Napi::Object::New(env);
  object.Set("documents", static_cast<double>(stats.documents));
  object.Set("postings", static_cast<double>(stats.postings));
  object.Set("bytes", static_cast<double>(stats.bytes));
  object.Set("hotBytes", static_cast<double>(stats.hot_bytes));
  object.Set("segments", static_cast<double>(stats.segments));
  auto recall = Napi::Array::New(env, kRecallTargets.size());
  for (std::uint32_t i = 0; i < kRecallTargets.size(); ++i) {
    auto entry = Napi::Object::New(env);
    entry.Set("target", kRecallTargets[i]);
    entry.Set("reached", stats.reached[i]);
    recall[i] = entry;
  }
  object.Set("recall", recall);
  return object;
}

Napi::Value IndexWrap::dimension(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(index(info.Env())->dimension()));
}

Napi::Value IndexWrap::dispose(const Napi::CallbackInfo& info) {
  const auto owner = std::exchange(index_, nullptr);
  if (!owner) fail_contract(info.Env(), "dispose() once");
  jobs_.cancel_all({"ERR_DISPOSED", "The index was disposed while this call was waiting."});
  return Environment::of(info.Env()).start(std::make_shared<CloseWork>(owner));
}

}  // namespace sparse_rerank::binding
