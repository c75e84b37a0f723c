#include "binding/similarity.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/convert.h"
#include "binding/environment.h"
#include "binding/rows.h"
#include "index/similarity.h"

namespace sparse_rerank::binding {

namespace {

/// Computes blocks of rows against another matrix, or row by row. Tasks write to disjoint ranges.
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
  if (dimension > kMaxDimension) {
    fail(env, {"ERR_TOO_LARGE", "Similarities are computed for at most " + std::to_string(kMaxDimension) + " dimensions."});
  }
  Rows a = read_rows(info[0], dimension);
  Rows b = read_rows(info[1], dimension);
  if (pairwise && a.view().rows() != b.view().rows()) fail_contract(env, "pairwise similarities of unequal numbers of rows");
  const auto function = similarity_function(info[3].ToString().Utf8Value());
  if (!function) fail_contract(env, "unknown similarity function");
  return Environment::of(env).start(std::make_shared<SimilarityWork>(*function, std::move(a), std::move(b), dimension, pairwise));
}

}  // namespace

Napi::Value start_similarity(const Napi::CallbackInfo& info) {
  return start_rows(info, false);
}

Napi::Value start_similarity_pairwise(const Napi::CallbackInfo& info) {
  return start_rows(info, true);
}

}  // namespace sparse_rerank::binding
