#include "binding/index.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "binding/cancel_token.h"
#include "binding/convert.h"
#include "index/similarity.h"

namespace sparse_rerank::binding {

namespace {

/// Compressed sparse rows with memory of their own.
struct Rows {
  std::vector<std::uint32_t> indptr;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;

  [[nodiscard]] SparseRowsView view() const { return {indptr, indices, values}; }
};

/// A copy of rows, not checked.
Rows copy_rows(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {copy_array<std::uint32_t>(object.Get("indptr"), "indptr"), copy_array<std::uint32_t>(object.Get("indices"), "indices"),
          copy_array<float>(object.Get("values"), "values")};
}

/// A copy of rows that hold together, whatever JavaScript gave.
Rows read_rows(const Napi::Value& value, std::size_t dimension) {
  Rows rows = copy_rows(value);
  if (const auto failure = validate(rows.view(), dimension)) fail(value.Env(), *failure);
  return rows;
}

class AddWork final : public PromiseWork {
 public:
  AddWork(std::shared_ptr<InvertedIndex> index, Rows rows) : PromiseWork(1), index_(std::move(index)), rows_(std::move(rows)) {}

 private:
  Status run(std::size_t) override {
    auto first = index_->add(rows_.view());
    if (!first) return std::move(first).error();
    first_ = first.value();
    return std::nullopt;
  }
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, first_); }

  std::shared_ptr<InvertedIndex> index_;
  Rows rows_;
  std::uint32_t first_ = 0;
};

class RemoveWork final : public PromiseWork {
 public:
  RemoveWork(std::shared_ptr<InvertedIndex> index, std::vector<std::uint32_t> slots)
      : PromiseWork(1), index_(std::move(index)), slots_(std::move(slots)) {}

 private:
  Status run(std::size_t) override { return index_->remove(slots_); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<InvertedIndex> index_;
  std::vector<std::uint32_t> slots_;
};

/// One task for each query.
class SearchWork final : public PromiseWork {
 public:
  SearchWork(std::shared_ptr<const InvertedIndex> index, Rows queries, std::size_t k)
      : PromiseWork(queries.view().rows()), index_(std::move(index)), queries_(std::move(queries)), k_(k), hits_(queries_.view().rows()) {}

 private:
  Status run(std::size_t task) override {
    thread_local SearchScratch scratch;
    const SparseRow query = queries_.view().row(task);
    return index_->search(query.indices, query.values, k_, scratch, hits_[task], &cancel_flag());
  }

  Napi::Value result(Napi::Env env) override {
    std::size_t total = 0;
    for (const auto& hits : hits_) total += hits.size();
    if (total > std::numeric_limits<std::uint32_t>::max())
      fail(env, {"ERR_TOO_LARGE", "More than 2^32 - 1 hits; search with fewer queries at once."});
    auto indptr = Napi::Uint32Array::New(env, hits_.size() + 1);
    auto slots = Napi::Uint32Array::New(env, total);
    auto scores = Napi::Float32Array::New(env, total);
    std::uint32_t end = 0;
    indptr[0] = 0;
    for (std::size_t i = 0; i < hits_.size(); ++i) {
      for (const Hit& hit : hits_[i]) {
        slots[end] = hit.slot;
        scores[end] = hit.score;
        ++end;
      }
      indptr[i + 1] = end;
    }
    auto object = Napi::Object::New(env);
    object.Set("indptr", indptr);
    object.Set("slots", slots);
    object.Set("scores", scores);
    return object;
  }

  std::shared_ptr<const InvertedIndex> index_;
  Rows queries_;
  std::size_t k_;
  std::vector<std::vector<Hit>> hits_;
};

/// Row blocks of a matrix against another, or row by row: tasks write to ranges of their own.
class SimilarityWork final : public PromiseWork {
 public:
  SimilarityWork(SimilarityFunction function, Rows a, Rows b, std::size_t dimension, bool pairwise)
      : PromiseWork((a.view().rows() + kRowsPerTask - 1) / kRowsPerTask),
        function_(function),
        a_(std::move(a)),
        b_(std::move(b)),
        dimension_(dimension),
        pairwise_(pairwise),
        similarities_(pairwise ? a_.view().rows() : a_.view().rows() * b_.view().rows()) {}

 private:
  static constexpr std::size_t kRowsPerTask = 64;

  Status run(std::size_t task) override {
    const std::size_t first = task * kRowsPerTask;
    const std::size_t last = std::min(first + kRowsPerTask, a_.view().rows());
    const auto compute = pairwise_ ? similarity_pairwise : similarity;
    compute(function_, a_.view(), b_.view(), dimension_, first, last, similarities_.data());
    return std::nullopt;
  }
  Napi::Value result(Napi::Env env) override { return to_js(env, std::span<const float>(similarities_)); }

  SimilarityFunction function_;
  Rows a_;
  Rows b_;
  std::size_t dimension_;
  bool pairwise_;
  std::vector<float> similarities_;
};

Napi::Promise start_rows(const Napi::CallbackInfo& info, bool pairwise) {
  const Napi::Env env = info.Env();
  const std::size_t dimension = info[2].As<Napi::Number>().Uint32Value();
  if (dimension > InvertedIndex::kMaxDimension) {
    fail(env, {"ERR_TOO_LARGE", "Similarities are computed for at most " + std::to_string(InvertedIndex::kMaxDimension) + " dimensions."});
  }
  Rows a = read_rows(info[0], dimension);
  Rows b = read_rows(info[1], dimension);
  if (pairwise && a.view().rows() != b.view().rows()) fail_contract(env, "pairwise similarities of unequal numbers of rows");
  const auto function = similarity_function(info[3].ToString().Utf8Value());
  if (!function) fail_contract(env, "unknown similarity function");
  return Environment::of(env).start(std::make_shared<SimilarityWork>(*function, std::move(a), std::move(b), dimension, pairwise));
}

class CompactWork final : public PromiseWork {
 public:
  explicit CompactWork(std::shared_ptr<InvertedIndex> index) : PromiseWork(1), index_(std::move(index)) {}

 private:
  Status run(std::size_t) override {
    auto kept = index_->compact();
    if (!kept) return std::move(kept).error();
    kept_ = std::move(kept).value();
    return std::nullopt;
  }
  Napi::Value result(Napi::Env env) override { return to_js(env, std::span<const std::uint32_t>(kept_)); }

  std::shared_ptr<InvertedIndex> index_;
  std::vector<std::uint32_t> kept_;
};

}  // namespace

Napi::Function IndexWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeIndex",
                     {InstanceMethod<&IndexWrap::add>("add"), InstanceMethod<&IndexWrap::remove>("remove"),
                      InstanceMethod<&IndexWrap::search>("search"), InstanceMethod<&IndexWrap::compact>("compact"),
                      InstanceMethod<&IndexWrap::stats>("stats"), InstanceMethod<&IndexWrap::dispose>("dispose")});
}

IndexWrap::IndexWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IndexWrap>(info) {
  const std::uint32_t dimension = info[0].As<Napi::Number>().Uint32Value();
  if (dimension > InvertedIndex::kMaxDimension) {
    fail(info.Env(), {"ERR_TOO_LARGE", "An index has at most " + std::to_string(InvertedIndex::kMaxDimension) + " dimensions."});
  }
  index_ = std::make_shared<InvertedIndex>(dimension);
}

const std::shared_ptr<InvertedIndex>& IndexWrap::index(Napi::Env env) const {
  if (!index_) fail(env, {"ERR_DISPOSED", "The index was disposed."});
  return index_;
}

Napi::Promise IndexWrap::start(Napi::Env env, const std::shared_ptr<PromiseWork>& work) {
  jobs_.add(work);
  return Environment::of(env).start(work);
}

Napi::Value IndexWrap::add(const Napi::CallbackInfo& info) {
  // The index checks the rows itself, on the pool.
  return start(info.Env(), std::make_shared<AddWork>(index(info.Env()), copy_rows(info[0])));
}

Napi::Value IndexWrap::remove(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<RemoveWork>(index(info.Env()), copy_array<std::uint32_t>(info[0], "slots")));
}

Napi::Value IndexWrap::search(const Napi::CallbackInfo& info) {
  const auto& owner = index(info.Env());
  CancelToken* const token = CancelToken::from(info[2].As<Napi::Object>());
  const auto work = std::make_shared<SearchWork>(owner, read_rows(info[0], owner->dimension()), info[1].As<Napi::Number>().Uint32Value());
  const Napi::Promise promise = start(info.Env(), work);
  if (token != nullptr) token->attach(work);
  return promise;
}

Napi::Value IndexWrap::compact(const Napi::CallbackInfo& info) {
  return start(info.Env(), std::make_shared<CompactWork>(index(info.Env())));
}

Napi::Value IndexWrap::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const IndexStats stats = index(env)->stats();
  auto object = Napi::Object::New(env);
  object.Set("documents", static_cast<double>(stats.documents));
  object.Set("postings", static_cast<double>(stats.postings));
  object.Set("bytes", static_cast<double>(stats.bytes));
  return object;
}

Napi::Value start_similarity(const Napi::CallbackInfo& info) {
  return start_rows(info, false);
}

Napi::Value start_similarity_pairwise(const Napi::CallbackInfo& info) {
  return start_rows(info, true);
}

void IndexWrap::dispose(const Napi::CallbackInfo&) {
  if (!index_) return;
  index_.reset();
  jobs_.cancel_all({"ERR_DISPOSED", "The index was disposed while this call was waiting."});
}

}  // namespace sparse_rerank::binding
