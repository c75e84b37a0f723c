#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

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

/// Changes of an index go before searches: there is one at a time, and it should not wait for the searches of many clients.
inline Schedule schedule_of_change() {
  Schedule schedule;
  schedule.priority = 1;
  return schedule;
}

/// The documents of one change, with memory of their own.
struct Documents {
  Rows rows;
  Strings ids;
  Strings stored;
  Attributes attributes;
  std::optional<TermRows> terms;
};

class ApplyWork final : public PromiseWork {
 public:
  ApplyWork(std::shared_ptr<SegmentedIndex> index, Strings removed, std::optional<Documents> added)
      : PromiseWork(1, schedule_of_change()), index_(std::move(index)), removed_(std::move(removed)), added_(std::move(added)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, static_cast<double>(count_)); }

  std::shared_ptr<SegmentedIndex> index_;
  Strings removed_;
  std::optional<Documents> added_;
  std::size_t count_ = 0;
};

class RemoveMatchingWork final : public PromiseWork {
 public:
  RemoveMatchingWork(std::shared_ptr<SegmentedIndex> index, Filter filter)
      : PromiseWork(1, schedule_of_change()), index_(std::move(index)), filter_(std::move(filter)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, static_cast<double>(count_)); }

  std::shared_ptr<SegmentedIndex> index_;
  Filter filter_;
  std::size_t count_ = 0;
};

class RefreshWork final : public PromiseWork {
 public:
  explicit RefreshWork(std::shared_ptr<SegmentedIndex> index) : PromiseWork(1), index_(std::move(index)) {}

 private:
  Status run(std::size_t) override;
  Napi::Value result(Napi::Env env) override { return Napi::Boolean::New(env, changed_); }

  std::shared_ptr<SegmentedIndex> index_;
  bool changed_ = false;
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
  /// save_file() or save_folder().
  using Save = Status (*)(const Snapshot&, const std::string&, const std::atomic<bool>*);
  SaveWork(std::shared_ptr<const SegmentedIndex> index, Save save, std::string path)
      : PromiseWork(1), index_(std::move(index)), save_(save), path_(std::move(path)) {}

 private:
  Status run(std::size_t) override { return save_(*index_->snapshot(), path_, &cancel_flag()); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<const SegmentedIndex> index_;
  Save save_;
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
