#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/result.h"
#include "inference/model.h"
#include "inference/sequences.h"

namespace sparse_rerank {

/// What the runs of one call are stopped by.
struct RunControls {
  /// For sequences on this model.
  static Result<RunControls> create(const Runtime& runtime, const Model& model, const Sequences& sequences);

  RunControl usual;
  /// Of runs that give idle memory of the card back; absent for the CPU.
  std::optional<RunControl> giving_back;
};

/// The work of one call on a model. On the CPU: one task for each sequence, the longest first, so that no thread is left with a long one at
/// the end. There is no padding and no sharing of runs, so a text's result is the same bits alone and in any batch. A sequence waits until
/// the memory that it needs is free of others. A model over batches: sequences of similar length run together, and a few tasks take one
/// group after the other, so that a card has its next batch when it ends one.
class Batch {
 public:
  Batch(std::shared_ptr<const Model> model, Sequences sequences, RunControls controls);
  virtual ~Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] std::size_t tasks() const { return model_->batches() == nullptr ? members_.size() : std::min(groups_.size(), kInFlight); }
  [[nodiscard]] std::size_t size() const { return sequences_.size(); }
  /// Pool thread. Tasks write to places of their own.
  Status run(std::size_t task);
  /// Any thread: running tasks end soon, with an error.
  void interrupt() const;
  /// Once no task runs or will run; the results stay.
  void release_model() { model_.reset(); }

 protected:
  [[nodiscard]] const Model& model() const { return *model_; }
  /// Pool thread: takes the model's output for the sequence at input position `member`.
  virtual Status collect(OutputTensor& output, std::uint32_t member, std::size_t length) = 0;
  /// Pool thread: the same for the output of a group, one row for each member.
  virtual Status collect_rows(OutputTensor& output, BatchGroup group) = 0;

 private:
  std::shared_ptr<const Model> model_;
  Sequences sequences_;
  RunControls controls_;
  static constexpr std::size_t kInFlight = 2;

  Status run_groups();
  Status run(BatchGroup group);
  Result<OutputTensor> run_session(const BatchForm& form, BatchGroup group, const RunControl& control) const;

  std::vector<BatchMember> members_;  // longest first
  std::vector<BatchGroup> groups_;
  std::atomic<std::size_t> next_group_{0};
};

/// SPLADE vectors.
class EncodeBatch final : public Batch {
 public:
  EncodeBatch(std::shared_ptr<const Model> model, Sequences sequences, RunControls controls, std::size_t keep, bool positions)
      : Batch(std::move(model), std::move(sequences), std::move(controls)), keep_(keep), positions_(positions), rows_(size()) {}

  /// In input order; complete once every task ended.
  [[nodiscard]] std::span<const SpladeRow> rows() const { return rows_; }
  [[nodiscard]] bool positions() const { return positions_; }

 private:
  Status collect(OutputTensor& output, std::uint32_t member, std::size_t length) override;
  Status collect_rows(OutputTensor& output, BatchGroup group) override;

  std::size_t keep_;
  bool positions_;
  std::vector<SpladeRow> rows_;
};

/// Cross-encoder logits.
class PredictBatch final : public Batch {
 public:
  PredictBatch(std::shared_ptr<const Model> model, Sequences sequences, RunControls controls, std::size_t labels)
      : Batch(std::move(model), std::move(sequences), std::move(controls)), labels_(labels), logits_(size() * labels) {}

  /// [sequences, labels] row-major; complete once every task ended.
  [[nodiscard]] std::span<const float> logits() const { return logits_; }

 private:
  Status collect(OutputTensor& output, std::uint32_t member, std::size_t length) override;
  Status collect_rows(OutputTensor& output, BatchGroup group) override;
  Status take_row(std::span<const float> row, std::uint32_t member);

  std::size_t labels_;
  std::vector<float> logits_;
};

}  // namespace sparse_rerank
