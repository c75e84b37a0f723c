#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"
#include "inference/backend.h"
#include "inference/model.h"
#include "inference/sequences.h"

namespace sparse_rerank {

/// The work of one call on a model: runs the backend and collects the outputs.
class InferenceJob : protected OutputSink {
 public:
  InferenceJob(const InferenceJob&) = delete;
  InferenceJob& operator=(const InferenceJob&) = delete;

  [[nodiscard]] std::size_t tasks() const { return runner_->tasks(); }
  /// Pool thread. Tasks write to disjoint memory. Errors: ERR_INVALID_WEIGHTS (a weight file was overwritten), and those of the runs.
  Status run(std::size_t task);
  /// Any thread. Running tasks end soon, with an error.
  void interrupt() const { runner_->interrupt(); }
  /// Call once no task runs or will run. The results remain.
  void release_model() { model_.reset(); }
  /// The time of all tasks, summed over threads: in the body, waiting for memory included, and in the head.
  [[nodiscard]] std::chrono::nanoseconds body_time() const { return std::chrono::nanoseconds(task_time_ - head_time_); }
  [[nodiscard]] std::chrono::nanoseconds head_time() const { return std::chrono::nanoseconds(head_time_); }

 protected:
  InferenceJob(std::shared_ptr<const Model> model, std::unique_ptr<Runner> runner) : model_(std::move(model)), runner_(std::move(runner)) {}
  ~InferenceJob() override = default;
  [[nodiscard]] const Model& model() const { return *model_; }

 private:
  Status take_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) final;
  Status take_rows(OutputTensor& output, SequenceGroup group) final;
  /// What take_sequence() and take_rows() measure.
  virtual Status add_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) = 0;
  virtual Status add_rows(OutputTensor& output, SequenceGroup group) = 0;

  std::shared_ptr<const Model> model_;
  std::unique_ptr<Runner> runner_;
  // Nanoseconds.
  std::atomic<std::int64_t> task_time_{0};
  std::atomic<std::int64_t> head_time_{0};
};

struct EncodeOptions {
  /// Keeps this many of the largest weights of each vector; 0 keeps all.
  std::size_t keep = 0;
  /// Whether to report the token position of each weight; requires Model::knows_positions.
  bool positions = false;
};

/// Computes SPLADE vectors.
class EncodeJob final : public InferenceJob {
 public:
  static Result<std::unique_ptr<EncodeJob>> create(std::shared_ptr<const Model> model, Sequences sequences, EncodeOptions options);

  /// In input order. Complete once every task has ended.
  [[nodiscard]] std::span<const SpladeRow> rows() const { return rows_; }
  [[nodiscard]] bool positions() const { return options_.positions; }

 private:
  EncodeJob(std::shared_ptr<const Model> model, std::unique_ptr<Runner> runner, std::size_t sequences, EncodeOptions options)
      : InferenceJob(std::move(model), std::move(runner)), options_(options), rows_(sequences) {}

  Status add_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) override;
  Status add_rows(OutputTensor& output, SequenceGroup group) override;

  EncodeOptions options_;
  std::vector<SpladeRow> rows_;
};

/// Computes cross-encoder logits.
class PredictJob final : public InferenceJob {
 public:
  static Result<std::unique_ptr<PredictJob>> create(std::shared_ptr<const Model> model, Sequences sequences, std::size_t labels);

  /// [sequences, labels] row-major. Complete once every task has ended.
  [[nodiscard]] std::span<const float> logits() const { return logits_; }

 private:
  PredictJob(std::shared_ptr<const Model> model, std::unique_ptr<Runner> runner, std::size_t sequences, std::size_t labels)
      : InferenceJob(std::move(model), std::move(runner)), labels_(labels), logits_(sequences * labels) {}

  Status add_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) override;
  Status add_rows(OutputTensor& output, SequenceGroup group) override;
  Status take_row(std::span<const float> row, std::uint32_t sequence);

  std::size_t labels_;
  std::vector<float> logits_;
};

}  // namespace sparse_rerank
