#include "binding/index_work.h"

#include <chrono>

namespace sparse_rerank::binding {

namespace {

/// Small merges end within one call: going back to JavaScript between their steps would take longer than the steps, and changes would
/// outpace merges.
constexpr auto kMergeTime = std::chrono::milliseconds(20);

}  // namespace

Status OpenWork::run(std::size_t) {
  auto index = SegmentedIndex::open(path_, options_);
  if (!index) return std::move(index).error();
  index_ = std::move(index).value();
  return std::nullopt;
}

Napi::Value OpenWork::result(Napi::Env env) {
  return Environment::of(env).index_class().New({Napi::External<std::shared_ptr<SegmentedIndex>>::New(env, &index_)});
}

Status ApplyWork::run(std::size_t) {
  std::optional<DocumentBatch> batch;
  if (added_) {
    batch = DocumentBatch{added_->rows.view(), added_->ids.view(), added_->stored.view(), added_->attributes.view()};
    if (added_->terms) batch->terms = added_->terms->view();
  }
  const auto count = index_->apply(removed_.view(), batch ? &*batch : nullptr);
  if (!count) return count.error();
  count_ = count.value();
  return std::nullopt;
}

Status RemoveMatchingWork::run(std::size_t) {
  const auto count = index_->remove_matching(filter_.view());
  if (!count) return count.error();
  count_ = count.value();
  return std::nullopt;
}

Status RefreshWork::run(std::size_t) {
  const auto changed = index_->refresh();
  if (!changed) return changed.error();
  changed_ = changed.value();
  return std::nullopt;
}

Status MergeStepWork::run(std::size_t) {
  const auto end = std::chrono::steady_clock::now() + kMergeTime;
  do {
    const auto step = index_->merge_step(everything_);
    if (!step) return step.error();
    step_ = step.value();
  } while (step_ == MergeStep::kMore && std::chrono::steady_clock::now() < end);
  return std::nullopt;
}

Napi::Value MergeStepWork::result(Napi::Env env) {
  constexpr const char* kNames[] = {"nothing", "more", "merged"};
  return Napi::String::New(env, kNames[static_cast<std::size_t>(step_)]);
}

Status CloseWork::run(std::size_t) {
  index_->close();
  return std::nullopt;
}

}  // namespace sparse_rerank::binding
