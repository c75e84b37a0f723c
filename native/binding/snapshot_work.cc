#include "binding/snapshot_work.h"

#include <algorithm>
#include <limits>

#include "binding/convert.h"
#include "index/cancel.h"
#include "index/matched_terms.h"

namespace sparse_rerank::binding {

namespace {

constexpr std::size_t kMostWeights = std::numeric_limits<std::uint32_t>::max();

std::vector<std::uint8_t> copy_bytes(std::span<const std::byte> bytes) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {begin, begin + bytes.size()};
}

Napi::Array bytes_to_js(Napi::Env env, const std::vector<std::vector<std::uint8_t>>& items) {
  auto array = Napi::Array::New(env, items.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const Napi::HandleScope scope(env);
    array.Set(i, make_array<Napi::Uint8Array>(env, std::span<const std::uint8_t>(items[i])));
  }
  return array;
}

Status append_row(const Segment& segment, std::uint32_t document, std::vector<std::uint32_t>& memory, Rows& rows) {
  const Result<SparseRow> row = segment.row(document, memory);
  if (!row) return row.error();
  const auto& [indices, values] = row.value();
  if (indices.size() > kMostWeights - rows.indices.size()) {
    return Error{"ERR_TOO_LARGE", "More than 2^32 - 1 weights; read fewer documents at once."};
  }
  rows.indices.insert(rows.indices.end(), indices.begin(), indices.end());
  rows.values.insert(rows.values.end(), values.begin(), values.end());
  return std::nullopt;
}

/// Null without terms.
Result<std::optional<MatchedTerms>> matcher_of(const Snapshot& snapshot, const ReadRequest& request) {
  if (!request.terms) return std::optional<MatchedTerms>();
  if (!snapshot.settings.lexical) return no_lexical_side();
  return std::optional(MatchedTerms(snapshot, request.terms->view().texts()));
}

}  // namespace

std::size_t SearchRequest::size() const {
  return std::visit([](const auto& rows) { return rows.view().rows(); }, queries);
}

SearchWork::SearchWork(std::shared_ptr<const Snapshot> snapshot, SearchRequest request)
    : PromiseWork(request.size()), snapshot_(std::move(snapshot)), request_(std::move(request)), found_(request_.size()) {}

Status SearchWork::run(std::size_t task) {
  std::call_once(prepared_, [this] { preparation_ = prepare(); });
  if (preparation_) return preparation_;
  Found& found = found_[task];
  if (Status error = search(task, found.hits)) return error;
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

Status SearchWork::search(std::size_t task, std::vector<Hit>& hits) const {
  thread_local SearchScratch scratch;
  if (const Rows* const rows = std::get_if<Rows>(&request_.queries)) {
    const SparseRow query = rows->view().row(task);
    return snapshot_->search({query.indices, query.values}, request_.wanted, exclusions_, scratch, hits, &cancel_flag());
  }
  const TermRowsView rows = std::get<TermRows>(request_.queries).view();
  return search_terms(*snapshot_, lexical_query(rows, task), request_.wanted.k, exclusions_, scratch, hits, &cancel_flag());
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
    found.stored.push_back(copy_bytes(stored.value()));
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

Result<std::vector<std::uint8_t>> contained(const Snapshot& snapshot, const StringsView& ids, const std::atomic<bool>& cancelled) {
  if (Status error = snapshot.check_unchanged()) return *std::move(error);
  std::vector<std::uint8_t> contained;
  contained.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (is_cancelled(&cancelled)) return aborted();
    const auto location = snapshot.find(ids.text(i));
    if (!location) return location.error();
    contained.push_back(location.value() ? 1 : 0);
  }
  return contained;
}

Napi::Value contained_to_js(Napi::Env env, const std::vector<std::uint8_t>& contained) {
  return make_array<Napi::Uint8Array>(env, std::span<const std::uint8_t>(contained));
}

Result<ReadDocuments> read_documents(const Snapshot& snapshot, const ReadRequest& request, const std::atomic<bool>& cancelled) {
  if (Status error = snapshot.check_unchanged()) return *std::move(error);
  auto matcher = matcher_of(snapshot, request);
  if (!matcher) return std::move(matcher).error();
  std::optional<MatchedTerms>& terms = matcher.value();
  const StringsView ids = request.ids.view();
  ReadDocuments read;
  read.stored.resize(ids.size());
  if (request.with_vectors) read.vectors = Rows{{0}, {}, {}};
  if (terms) read.matched.emplace(ids.size() * terms->terms());
  std::vector<std::uint32_t> memory;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (is_cancelled(&cancelled)) return aborted();
    const auto location = snapshot.find(ids.text(i));
    if (!location) return location.error();
    const std::optional<Location>& found = location.value();
    read.found.push_back(found ? 1 : 0);
    if (found) {
      const Segment& home = *snapshot.segments[found->segment].segment;
      const auto stored = home.stored(found->document);
      if (!stored) return stored.error();
      read.stored[i] = copy_bytes(stored.value());
      if (read.vectors) {
        if (Status error = append_row(home, found->document, memory, *read.vectors)) return *std::move(error);
      }
      if (terms) {
        const auto row = std::span(*read.matched).subspan(i * terms->terms(), terms->terms());
        if (Status error = terms->read(*found, row)) return *std::move(error);
      }
    }
    if (read.vectors) read.vectors->indptr.push_back(static_cast<std::uint32_t>(read.vectors->indices.size()));
  }
  return read;
}

Napi::Value read_to_js(Napi::Env env, const ReadDocuments& read) {
  auto object = Napi::Object::New(env);
  object.Set("found", contained_to_js(env, read.found));
  object.Set("stored", bytes_to_js(env, read.stored));
  if (read.matched) object.Set("matched", make_array<Napi::Uint8Array>(env, std::span<const std::uint8_t>(*read.matched)));
  if (!read.vectors) return object;
  auto vectors = Napi::Object::New(env);
  vectors.Set("indptr", to_js(env, std::span<const std::uint32_t>(read.vectors->indptr)));
  vectors.Set("indices", to_js(env, std::span<const std::uint32_t>(read.vectors->indices)));
  vectors.Set("values", to_js(env, std::span<const float>(read.vectors->values)));
  object.Set("vectors", vectors);
  return object;
}

Result<ListedDocuments> read_listed(const Snapshot& snapshot, const std::vector<Location>& documents, bool with_stored,
                                    const std::atomic<bool>& cancelled) {
  ListedDocuments listed;
  for (const auto& [segment, document] : documents) {
    if (is_cancelled(&cancelled)) return aborted();
    const Segment& home = *snapshot.segments[segment].segment;
    const auto id = home.id(document);
    if (!id) return id.error();
    listed.ids.emplace_back(id.value());
    if (!with_stored) continue;
    const auto stored = home.stored(document);
    if (!stored) return stored.error();
    listed.stored.push_back(copy_bytes(stored.value()));
  }
  return listed;
}

Napi::Value listed_to_js(Napi::Env env, const ListedDocuments& listed) {
  auto object = Napi::Object::New(env);
  auto ids = Napi::Array::New(env, listed.ids.size());
  for (std::uint32_t i = 0; i < listed.ids.size(); ++i) {
    const Napi::HandleScope scope(env);
    ids.Set(i, Napi::String::New(env, listed.ids[i]));
  }
  object.Set("ids", ids);
  object.Set("stored", bytes_to_js(env, listed.stored));
  return object;
}

Napi::Value facets_to_js(Napi::Env env, const std::vector<Facet>& facets) {
  auto names = Napi::Array::New(env, facets.size());
  auto counts = new_array<Napi::Uint32Array>(env, facets.size());
  for (std::uint32_t i = 0; i < facets.size(); ++i) {
    const Napi::HandleScope scope(env);
    const std::span name(facets[i].name);
    names.Set(i, make_array<Napi::Uint8Array>(env, std::span(reinterpret_cast<const std::uint8_t*>(name.data()), name.size())));
    // A snapshot has fewer than 2^32 documents.
    counts[i] = static_cast<std::uint32_t>(facets[i].count);
  }
  auto object = Napi::Object::New(env);
  object.Set("names", names);
  object.Set("counts", counts);
  return object;
}

Napi::Value statistics_to_js(Napi::Env env, const TermStatistics& statistics) {
  auto having = new_array<Napi::Uint32Array>(env, statistics.having.size());
  for (std::size_t i = 0; i < statistics.having.size(); ++i) having[i] = static_cast<std::uint32_t>(statistics.having[i]);
  auto object = Napi::Object::New(env);
  object.Set("documents", static_cast<double>(statistics.documents));
  object.Set("averageLength", statistics.average_length);
  object.Set("documentFrequencies", having);
  return object;
}

}  // namespace sparse_rerank::binding
