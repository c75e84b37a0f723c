#include "binding/index_work.h"

#include <algorithm>
#include <limits>

#include "binding/convert.h"

namespace sparse_rerank::binding {

Status OpenWork::run(std::size_t) {
  auto index = SegmentedIndex::open(path_, options_);
  if (!index) return std::move(index).error();
  index_ = std::move(index).value();
  return std::nullopt;
}

Napi::Value OpenWork::result(Napi::Env env) {
  return Environment::of(env).index_class().New({Napi::External<std::shared_ptr<SegmentedIndex>>::New(env, &index_)});
}

Status RemoveWork::run(std::size_t) {
  const auto count = index_->remove(ids_.view());
  if (!count) return count.error();
  count_ = count.value();
  return std::nullopt;
}

Status ContainsWork::run(std::size_t) {
  if (Status error = snapshot_->check_unchanged()) return error;
  const StringsView ids = ids_.view();
  contained_.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto location = snapshot_->find(ids.text(i));
    if (!location) return location.error();
    contained_.push_back(location.value() ? 1 : 0);
  }
  return std::nullopt;
}

Napi::Value ContainsWork::result(Napi::Env env) {
  return make_array<Napi::Uint8Array>(env, std::span<const std::uint8_t>(contained_));
}

SearchWork::SearchWork(std::shared_ptr<const Snapshot> snapshot, SearchRequest request)
    : PromiseWork(request.queries.view().rows()),
      snapshot_(std::move(snapshot)),
      request_(std::move(request)),
      found_(request_.queries.view().rows()) {}

Status SearchWork::run(std::size_t task) {
  std::call_once(prepared_, [this] { preparation_ = prepare(); });
  if (preparation_) return preparation_;
  thread_local SearchScratch scratch;
  const SparseRow query = request_.queries.view().row(task);
  Found& found = found_[task];
  if (Status error = snapshot_->search({query.indices, query.values}, request_.wanted, exclusions_, scratch, found.hits, &cancel_flag())) {
    return error;
  }
  return read_hits(found);
}

Status SearchWork::prepare() {
  if (Status error = snapshot_->check_unchanged()) return error;
  if (!request_.filter) {
    exclusions_ = snapshot_->removed();
    return std::nullopt;
  }
  auto exclusions = snapshot_->all_but(request_.filter->view());
  if (!exclusions) return std::move(exclusions).error();
  exclusions_ = std::move(exclusions).value();
  return std::nullopt;
}

Status SearchWork::read_hits(Found& found) const {
  found.ids.reserve(found.hits.size());
  for (const Hit& hit : found.hits) {
    const auto [segment, document] = snapshot_->locate(hit.slot);
    const Segment& home = *snapshot_->segments[segment].segment;
    const auto id = home.id(document);
    if (!id) return id.error();
    found.ids.emplace_back(id.value());
    if (!request_.with_stored) continue;
    const auto stored = home.stored(document);
    if (!stored) return stored.error();
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(stored.value().data());
    found.stored.emplace_back(begin, begin + stored.value().size());
  }
  return std::nullopt;
}

Napi::Value SearchWork::result(Napi::Env env) {
  std::size_t total = 0;
  for (const Found& found : found_) total += found.hits.size();
  if (total > std::numeric_limits<std::uint32_t>::max()) {
    fail(env, {"ERR_TOO_LARGE", "More than 2^32 - 1 hits; search with fewer queries at once."});
  }
  auto indptr = new_array<Napi::Uint32Array>(env, found_.size() + 1);
  auto scores = new_array<Napi::Float32Array>(env, total);
  auto ids = Napi::Array::New(env, total);
  auto stored = Napi::Array::New(env, request_.with_stored ? total : 0);
  std::uint32_t end = 0;
  indptr[0] = 0;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const Found& found = found_[i];
    for (std::size_t j = 0; j < found.hits.size(); ++j, ++end) {
      const Napi::HandleScope scope(env);
      scores[end] = found.hits[j].score;
      ids.Set(end, Napi::String::New(env, found.ids[j]));
      if (request_.with_stored) stored.Set(end, make_array<Napi::Uint8Array>(env, std::span<const std::uint8_t>(found.stored[j])));
    }
    indptr[i + 1] = end;
  }
  auto object = Napi::Object::New(env);
  object.Set("indptr", indptr);
  object.Set("ids", ids);
  object.Set("scores", scores);
  object.Set("stored", stored);
  return object;
}

Status MergeStepWork::run(std::size_t) {
  const auto step = index_->merge_step(everything_);
  if (!step) return step.error();
  step_ = step.value();
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
