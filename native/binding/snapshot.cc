#include "binding/snapshot.h"

#include <optional>
#include <string_view>
#include <vector>

#include "binding/cancel_token.h"
#include "binding/snapshot_work.h"

namespace sparse_rerank::binding {

namespace {

std::optional<Filter> read_filter_of(const Napi::Object& options) {
  const Napi::Value filter = options.Get("filter");
  return filter.IsObject() ? std::optional(read_filter(filter)) : std::nullopt;
}

/// A filter as calls take it: null for none.
class GivenFilter {
 public:
  explicit GivenFilter(const std::optional<Filter>& filter) {
    if (filter) view_ = filter->view();
  }
  [[nodiscard]] const FilterView* get() const { return view_ ? &*view_ : nullptr; }

 private:
  std::optional<FilterView> view_;
};

/// A list of one string.
Strings read_one_string(const Napi::Value& value) {
  Strings strings = read_strings(value);
  if (strings.view().size() != 1) fail_contract(value.Env(), "one string");
  return strings;
}

Napi::Value start(const Napi::CallbackInfo& info, const std::shared_ptr<PromiseWork>& work, CancelToken* token) {
  const Napi::Promise promise = Environment::of(info.Env()).start(work);
  if (token != nullptr) token->attach(work);
  return promise;
}

/// Starts what computes a value, with the token in `options` unless they are undefined.
template <typename T>
Napi::Value compute(const Napi::CallbackInfo& info, const Napi::Value& options, typename ComputeWork<T>::Compute work,
                    typename ComputeWork<T>::Convert convert) {
  CancelToken* const token = options.IsObject() ? CancelToken::from(options.As<Napi::Object>()) : nullptr;
  return start(info, std::make_shared<ComputeWork<T>>(std::move(work), convert), token);
}

Napi::Value start_search(const Napi::CallbackInfo& info, const std::shared_ptr<const Snapshot>& snapshot,
                         std::variant<Rows, TermRows> queries) {
  const auto options = info[2].As<Napi::Object>();
  CancelToken* const token = CancelToken::from(options);
  SearchRequest request = {std::move(queries), {info[1].As<Napi::Number>().Uint32Value()}, read_filter_of(options), false};
  if (const Napi::Value recall = options.Get("recall"); recall.IsNumber()) request.wanted.recall = recall.As<Napi::Number>().DoubleValue();
  request.with_stored = options.Get("stored").ToBoolean();
  return start(info, std::make_shared<SearchWork>(snapshot, std::move(request)), token);
}

/// What facets() was asked for.
struct FacetCall {
  Strings prefix;
  std::size_t limit;
  std::optional<Filter> filter;
  std::optional<Rows> query;
  std::optional<TermRows> terms;
  std::optional<Strings> heads;

  [[nodiscard]] Result<std::vector<Facet>> run(const Snapshot& snapshot, const std::atomic<bool>& cancelled) const {
    if (Status error = snapshot.check_unchanged()) return *std::move(error);
    thread_local SearchScratch scratch;
    const GivenFilter given(filter);
    FacetRequest request = {prefix.view().text(0), limit, given.get()};
    if (query) {
      const SparseRow row = query->view().row(0);
      request.query = SparseQuery{row.indices, row.values};
    }
    const TermRowsView rows = terms ? terms->view() : TermRowsView{};
    if (terms) request.terms = lexical_query(rows, 0);
    if (heads) request.heads = heads->view().text(0);
    return count_facets(snapshot, request, scratch, &cancelled);
  }
};

}  // namespace

Napi::Function SnapshotWrap::define(Napi::Env env) {
  return DefineClass(env, "NativeSnapshot",
                     {method<&SnapshotWrap::search>("search"), method<&SnapshotWrap::search_terms>("searchTerms"),
                      method<&SnapshotWrap::contains>("contains"), method<&SnapshotWrap::read>("read"), method<&SnapshotWrap::list>("list"),
                      method<&SnapshotWrap::count>("count"), method<&SnapshotWrap::facets>("facets"),
                      method<&SnapshotWrap::term_statistics>("termStatistics"), method<&SnapshotWrap::dispose>("dispose")});
}

Napi::Value SnapshotWrap::create(Napi::Env env, std::shared_ptr<const Snapshot> snapshot) {
  return Environment::of(env).snapshot_class().New({Napi::External<std::shared_ptr<const Snapshot>>::New(env, &snapshot)});
}

SnapshotWrap::SnapshotWrap(const Napi::CallbackInfo& info) : GuardedWrap(info) {
  if (!info[0].IsExternal()) fail_contract(info.Env(), "a snapshot of an index");
  snapshot_ = *info[0].As<Napi::External<std::shared_ptr<const Snapshot>>>().Data();
}

const std::shared_ptr<const Snapshot>& SnapshotWrap::snapshot(Napi::Env env) const {
  if (!snapshot_) fail(env, {"ERR_DISPOSED", "The snapshot was disposed."});
  return snapshot_;
}

Napi::Value SnapshotWrap::search(const Napi::CallbackInfo& info) {
  const auto& owner = snapshot(info.Env());
  return start_search(info, owner, read_rows(info[0], owner->settings.dimension));
}

Napi::Value SnapshotWrap::search_terms(const Napi::CallbackInfo& info) {
  return start_search(info, snapshot(info.Env()), read_term_rows(info[0]));
}

Napi::Value SnapshotWrap::contains(const Napi::CallbackInfo& info) {
  return compute<std::vector<std::uint8_t>>(
      info, info[1],
      [owner = snapshot(info.Env()), ids = read_strings(info[0])](const auto& cancelled) {
        return contained(*owner, ids.view(), cancelled);
      },
      contained_to_js);
}

Napi::Value SnapshotWrap::read(const Napi::CallbackInfo& info) {
  const auto options = info[1].As<Napi::Object>();
  ReadRequest request = {read_strings(info[0]), options.Get("vectors").ToBoolean(), std::nullopt};
  if (const Napi::Value terms = options.Get("terms"); terms.IsObject()) request.terms = read_strings(terms);
  return compute<ReadDocuments>(
      info, options,
      [owner = snapshot(info.Env()), request = std::move(request)](const auto& cancelled) {
        return read_documents(*owner, request, cancelled);
      },
      read_to_js);
}

Napi::Value SnapshotWrap::list(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  const Napi::Value after = options.Get("after");
  const bool with_stored = options.Get("stored").ToBoolean();
  return compute<ListedDocuments>(
      info, options,
      [owner = snapshot(info.Env()), filter = read_filter_of(options), after = after.IsUndefined() ? Strings() : read_one_string(after),
       limit = options.Get("limit").As<Napi::Number>().Uint32Value(),
       with_stored](const std::atomic<bool>& cancelled) -> Result<ListedDocuments> {
        if (Status error = owner->check_unchanged()) return *std::move(error);
        std::optional<std::string_view> from;
        if (after.view().size() == 1) from = after.view().text(0);
        const auto documents = list_documents(*owner, GivenFilter(filter).get(), from, limit, &cancelled);
        if (!documents) return documents.error();
        return read_listed(*owner, documents.value(), with_stored, cancelled);
      },
      listed_to_js);
}

Napi::Value SnapshotWrap::count(const Napi::CallbackInfo& info) {
  return compute<std::uint64_t>(
      info, info[1],
      [owner = snapshot(info.Env()), filter = info[0].IsObject() ? std::optional(read_filter(info[0])) : std::nullopt](
          const std::atomic<bool>& cancelled) -> Result<std::uint64_t> {
        if (Status error = owner->check_unchanged()) return *std::move(error);
        return count_documents(*owner, GivenFilter(filter).get(), &cancelled);
      },
      [](Napi::Env env, const std::uint64_t& count) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(count)); });
}

Napi::Value SnapshotWrap::facets(const Napi::CallbackInfo& info) {
  const auto& owner = snapshot(info.Env());
  const auto options = info[2].As<Napi::Object>();
  FacetCall call = {read_one_string(info[0]),
                    info[1].As<Napi::Number>().Uint32Value(),
                    read_filter_of(options),
                    std::nullopt,
                    std::nullopt,
                    std::nullopt};
  if (const Napi::Value query = options.Get("query"); query.IsObject()) call.query = read_rows(query, owner->settings.dimension);
  if (const Napi::Value terms = options.Get("terms"); terms.IsObject()) call.terms = read_term_rows(terms);
  if (const Napi::Value heads = options.Get("heads"); heads.IsObject()) call.heads = read_one_string(heads);
  if ((call.query && call.query->view().rows() != 1) || (call.terms && call.terms->view().rows() != 1)) {
    fail_contract(info.Env(), "facets of one query");
  }
  return compute<std::vector<Facet>>(
      info, options, [owner, call = std::move(call)](const auto& cancelled) { return call.run(*owner, cancelled); }, facets_to_js);
}

Napi::Value SnapshotWrap::term_statistics(const Napi::CallbackInfo& info) {
  return compute<TermStatistics>(
      info, info[1],
      [owner = snapshot(info.Env()), terms = read_strings(info[0])](const auto&) -> Result<TermStatistics> {
        if (Status error = owner->check_unchanged()) return *std::move(error);
        if (!owner->settings.lexical) return no_lexical_side();
        return sparse_rerank::term_statistics(*owner, terms.view().texts());
      },
      statistics_to_js);
}

Napi::Value SnapshotWrap::dispose(const Napi::CallbackInfo& info) {
  snapshot_ = nullptr;
  return info.Env().Undefined();
}

}  // namespace sparse_rerank::binding
