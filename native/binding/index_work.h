#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/environment.h"
#include "binding/rows.h"
#include "index/segmented_index.h"

/// The calls of NativeIndex, as pool threads run them.
namespace sparse_rerank::binding {

class OpenWork final : public PromiseWork {
 public:
  OpenWork(std::string path, SegmentedIndex::OpenOptions options) : PromiseWork(1), path_(std::move(path)), options_(options) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override;

  std::string path_;
  SegmentedIndex::OpenOptions options_;
  std::shared_ptr<SegmentedIndex> index_;
};

class AddWork final : public PromiseWork {
 public:
  AddWork(std::shared_ptr<SegmentedIndex> index, Rows rows, Strings ids, Strings stored, Attributes attributes)
      : PromiseWork(1),
        index_(std::move(index)),
        rows_(std::move(rows)),
        ids_(std::move(ids)),
        stored_(std::move(stored)),
        attributes_(std::move(attributes)) {}

 private:
  Status run(std::size_t) override { return index_->add({rows_.view(), ids_.view(), stored_.view(), attributes_.view()}); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<SegmentedIndex> index_;
  Rows rows_;
  Strings ids_;
  Strings stored_;
  Attributes attributes_;
};

class RemoveWork final : public PromiseWork {
 public:
  RemoveWork(std::shared_ptr<SegmentedIndex> index, Strings ids) : PromiseWork(1), index_(std::move(index)), ids_(std::move(ids)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, static_cast<double>(count_)); }

  std::shared_ptr<SegmentedIndex> index_;
  Strings ids_;
  std::size_t count_ = 0;
};

/// One byte for each id: whether it is in the index.
class ContainsWork final : public PromiseWork {
 public:
  ContainsWork(std::shared_ptr<const Snapshot> snapshot, Strings ids)
      : PromiseWork(1), snapshot_(std::move(snapshot)), ids_(std::move(ids)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override;

  std::shared_ptr<const Snapshot> snapshot_;
  Strings ids_;
  std::vector<std::uint8_t> contained_;
};

struct SearchRequest {
  Rows queries;
  Wanted wanted;
  /// Which documents to find; all without it.
  std::optional<Filter> filter;
  bool with_stored;
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
  Status read_hits(Found& found) const;
  Napi::Value result(Napi::Env env) override;

  std::shared_ptr<const Snapshot> snapshot_;
  SearchRequest request_;
  std::once_flag prepared_;
  Status preparation_;
  Exclusions exclusions_;
  std::vector<Found> found_;
};

class MergeStepWork final : public PromiseWork {
 public:
  MergeStepWork(std::shared_ptr<SegmentedIndex> index, bool everything)
      : PromiseWork(1), index_(std::move(index)), everything_(everything) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override;

  std::shared_ptr<SegmentedIndex> index_;
  bool everything_;
  MergeStep step_ = MergeStep::kNothing;
};

class SaveWork final : public PromiseWork {
 public:
  SaveWork(std::shared_ptr<const SegmentedIndex> index, std::string path)
      : PromiseWork(1), index_(std::move(index)), path_(std::move(path)) {}

 private:
  Status run(std::size_t) override { return index_->save(path_, &cancel_flag()); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<const SegmentedIndex> index_;
  std::string path_;
};

/// Not one of the jobs that dispose() ends: it is what dispose() starts.
class CloseWork final : public PromiseWork {
 public:
  explicit CloseWork(std::shared_ptr<SegmentedIndex> index) : PromiseWork(1), index_(std::move(index)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<SegmentedIndex> index_;
};

}  // namespace sparse_rerank::binding
