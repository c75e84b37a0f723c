#include "binding/index.h"

#include <optional>
#include <string>
#include <utility>

#include "binding/convert.h"
#include "binding/index_work.h"
#include "binding/snapshot.h"
#include "index/saved_copy.h"

namespace sparse_rerank::binding {

Napi::Function IndexWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeIndex",
      {method<&IndexWrap::apply>("apply"), method<&IndexWrap::remove_matching>("removeMatching"), method<&IndexWrap::refresh>("refresh"),
       method<&IndexWrap::snapshot>("snapshot"), method<&IndexWrap::lexical>("lexical"), method<&IndexWrap::merge_step>("mergeStep"),
       method<&IndexWrap::save>("save"), method<&IndexWrap::save_folder>("saveFolder"), method<&IndexWrap::stats>("stats"),
       method<&IndexWrap::dimension>("dimension"), method<&IndexWrap::dispose>("dispose")});
}

namespace {

/// The parameters of a lexical side; none for undefined.
std::optional<Bm25> read_lexical(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  const auto object = value.As<Napi::Object>();
  const Bm25 bm25 = {object.Get("k1").ToNumber().DoubleValue(), object.Get("b").ToNumber().DoubleValue()};
  if (!bm25.valid()) fail(value.Env(), {"ERR_INVALID_ARGUMENT", "k1 is a number from 0 to 1000, b one from 0 to 1."});
  return bm25;
}

Documents read_documents(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  // The index checks vectors and terms itself, on the pool.
  Documents documents = {copy_rows(object.Get("vectors")), read_strings(object.Get("ids")), read_strings(object.Get("stored")), {}, {}};
  const std::size_t rows = documents.ids.view().size();
  documents.attributes = read_attributes(object.Get("attributes"), rows);
  if (const Napi::Value terms = object.Get("terms"); !terms.IsUndefined()) documents.terms = copy_term_rows(terms);
  if (documents.rows.indptr.empty()) {
    fail(value.Env(), {"ERR_INVALID_ARGUMENT", "indptr is empty; it must have one entry more than there are rows."});
  }
  if (rows + 1 != documents.rows.indptr.size() || (!documents.stored.offsets.empty() && documents.stored.view().size() != rows)) {
    fail_contract(value.Env(), "as many ids and stored values as rows");
  }
  return documents;
}

}  // namespace

IndexWrap::IndexWrap(const Napi::CallbackInfo& info) : GuardedWrap(info) {
  if (info[0].IsExternal()) {
    index_ = *info[0].As<Napi::External<std::shared_ptr<SegmentedIndex>>>().Data();
    return;
  }
  const std::uint32_t dimension = info[0].As<Napi::Number>().Uint32Value();
  if (dimension == 0 || dimension > kMaxDimension) {
    fail(info.Env(), {"ERR_TOO_LARGE", "An index has 1 to " + std::to_string(kMaxDimension) + " dimensions."});
  }
  index_ = guarded(info.Env(), [&] { return SegmentedIndex::create(IndexSettings{dimension, read_lexical(info[1])}); });
}

Napi::Value IndexWrap::open(const Napi::CallbackInfo& info) {
  const auto given = info[1].As<Napi::Object>();
  SegmentedIndex::OpenOptions options;
  if (const Napi::Value dimension = given.Get("dimension"); dimension.IsNumber()) {
    options.dimension = dimension.As<Napi::Number>().Uint32Value();
  }
  options.read_only = given.Get("readOnly").ToBoolean();
  options.lexical = read_lexical(given.Get("lexical"));
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

Napi::Value IndexWrap::apply(const Napi::CallbackInfo& info) {
  const auto& owner = index(info.Env());
  const auto change = info[0].As<Napi::Object>();
  Strings removed = read_strings(change.Get("remove"));
  std::optional<Documents> added;
  if (const Napi::Value documents = change.Get("add"); !documents.IsUndefined()) added = read_documents(documents);
  return start(info.Env(), std::make_shared<ApplyWork>(owner, std::move(removed), std::move(added)));
}

Napi::Value IndexWrap::remove_matching(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<RemoveMatchingWork>(index(info.Env()), read_filter(info[0])));
}

Napi::Value IndexWrap::refresh(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<RefreshWork>(index(info.Env())));
}

Napi::Value IndexWrap::snapshot(const Napi::CallbackInfo& info) {
  return SnapshotWrap::create(info.Env(), index(info.Env())->snapshot());
}

Napi::Value IndexWrap::lexical(const Napi::CallbackInfo& info) {
  const std::optional<Bm25>& bm25 = index(info.Env())->settings().lexical;
  if (!bm25) return info.Env().Undefined();
  auto object = Napi::Object::New(info.Env());
  object.Set("k1", bm25->k1);
  object.Set("b", bm25->b);
  return object;
}

Napi::Value IndexWrap::merge_step(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<MergeStepWork>(index(info.Env()), info[0].ToBoolean()));
}

Napi::Value IndexWrap::save(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<SaveWork>(index(info.Env()), &save_file, read_path(info[0])));
}

Napi::Value IndexWrap::save_folder(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<SaveWork>(index(info.Env()), &sparse_rerank::save_folder, read_path(info[0])));
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
