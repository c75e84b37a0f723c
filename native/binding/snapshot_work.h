#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "binding/environment.h"
#include "binding/rows.h"
#include "index/listing.h"
#include "index/snapshot.h"

/// The calls of NativeSnapshot, as pool threads run them.
namespace sparse_rerank::binding {

/// One task that computes a value.
template <typename T>
class ComputeWork final : public PromiseWork {
 public:
  /// Pool thread. Looks at the flag now and then when it takes long.
  using Compute = std::function<Result<T>(const std::atomic<bool>& cancelled)>;
  using Convert = Napi::Value (*)(Napi::Env env, const T& value);

  ComputeWork(Compute compute, Convert convert) : PromiseWork(1), compute_(std::move(compute)), convert_(convert) {}

 private:
  Status run(std::size_t) override {
    Result<T> value = compute_(cancel_flag());
    if (!value) return std::move(value).error();
    value_.emplace(std::move(value).value());
    return std::nullopt;
  }
  void release() override { compute_ = nullptr; }
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): called only after run() has succeeded
  Napi::Value result(Napi::Env env) override { return convert_(env, *value_); }

  Compute compute_;
  const Convert convert_;
  std::optional<T> value_;
};

struct SearchRequest {
  /// Vectors, or terms.
  std::variant<Rows, TermRows> queries;
  Wanted wanted;
  /// Which documents to find; all without it.
  std::optional<Filter> filter;
  bool with_stored;

  [[nodiscard]] std::size_t size() const;
};

/// One task for each query, all on one snapshot.
class SearchWork final : public PromiseWork {
 public:
  SearchWork(std::shared_ptr<const Snapshot> snapshot, SearchRequest request);

 private:
  struct Found {
    std::vector<Hit> hits;
    std::vector<std::string> ids;
    std::vector<std::vector<std::uint8_t>> stored;
  };

  Status run(std::size_t task) override;
  /// Once, by the first task.
  Status prepare();
  Status search(std::size_t task, std::vector<Hit>& hits) const;
  Status read_hits(Found& found) const;
  Napi::Value result(Napi::Env env) override;

  std::shared_ptr<const Snapshot> snapshot_;
  SearchRequest request_;
  std::once_flag prepared_;
  Status preparation_;
  Exclusions exclusions_;
  std::vector<Found> found_;
};

/// One byte for each id: whether it is in the snapshot.
[[nodiscard]] Result<std::vector<std::uint8_t>> contained(const Snapshot& snapshot, const StringsView& ids,
                                                          const std::atomic<bool>& cancelled);
Napi::Value contained_to_js(Napi::Env env, const std::vector<std::uint8_t>& contained);

struct ReadRequest {
  Strings ids;
  bool with_vectors;
  /// Those that are looked for in each document; none without them.
  std::optional<Strings> terms;
};
/// Documents by their ids.
struct ReadDocuments {
  std::vector<std::uint8_t> found;
  std::vector<std::vector<std::uint8_t>> stored;
  std::optional<Rows> vectors;
  /// [documents, terms], when terms are given.
  std::optional<std::vector<std::uint8_t>> matched;
};
/// Errors also: ERR_TOO_LARGE for more than 2^32 - 1 weights, ERR_INVALID_ARGUMENT for terms where there is no lexical side.
[[nodiscard]] Result<ReadDocuments> read_documents(const Snapshot& snapshot, const ReadRequest& request,
                                                   const std::atomic<bool>& cancelled);
Napi::Value read_to_js(Napi::Env env, const ReadDocuments& read);

struct ListedDocuments {
  std::vector<std::string> ids;
  /// Empty unless asked for.
  std::vector<std::vector<std::uint8_t>> stored;
};
[[nodiscard]] Result<ListedDocuments> read_listed(const Snapshot& snapshot, const std::vector<Location>& documents, bool with_stored,
                                                  const std::atomic<bool>& cancelled);
Napi::Value listed_to_js(Napi::Env env, const ListedDocuments& listed);

Napi::Value facets_to_js(Napi::Env env, const std::vector<Facet>& facets);
Napi::Value statistics_to_js(Napi::Env env, const TermStatistics& statistics);

}  // namespace sparse_rerank::binding
