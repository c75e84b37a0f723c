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

namespace sparse_rerank {

/// Token ids of several sequences, flattened: sequence i is ids[offsets[i] .. offsets[i + 1]).
struct Sequences {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> type_ids;  // like ids, or empty for all zero
  std::vector<double> bytes;           // working memory that each sequence needs, or empty where it is not known

  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t length(std::size_t i) const { return offsets[i + 1] - offsets[i]; }

  /// The offsets ascend from 0 to the number of ids, there are as many type ids as ids, and as many numbers of bytes as sequences.
  [[nodiscard]] Status check() const;
  /// Whether one needs so much memory that keeping it for later runs would be waste.
  [[nodiscard]] bool has_large() const;
};

/// The work of one call on a model. On the CPU: one task for each sequence, the longest first, so that no thread is left with a long one at
/// the end. There is no padding and no sharing of runs, so a text's result is the same bits alone and in any batch. A sequence waits until
/// the memory that it needs is free of others. A model over padded batches: sequences of similar length run together, and a few tasks take
/// one group after the other, so that a card has its next batch when it ends one.
class Batch {
 public:
  Batch(std::shared_ptr<const Model> model, Sequences sequences, RunControl control);
  virtual ~Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  [[nodiscard]] std::size_t tasks() const { return model_->padded() == nullptr ? order_.size() : std::min(groups_.size(), kInFlight); }
  [[nodiscard]] std::size_t size() const { return sequences_.size(); }
  /// Pool thread. Tasks write to places of their own.
  Status run(std::size_t task);
  /// Any thread: running tasks end soon, with an error.
  void interrupt() const { control_.terminate(); }

 protected:
  [[nodiscard]] const Model& model() const { return *model_; }
  /// Pool thread: takes the model's output for the sequence at input position `member`.
  virtual Status collect(const OutputTensor& output, std::uint32_t member, std::size_t length) = 0;
  /// Pool thread: the same for one row of a padded batch's output.
  virtual Status collect_row(std::span<const float> row, std::uint32_t member) = 0;

 private:
  std::shared_ptr<const Model> model_;
  Sequences sequences_;
  RunControl control_;
  static constexpr std::size_t kInFlight = 2;

  Status run_padded();
  Status run_padded(PaddedGroup group);

  std::vector<std::uint32_t> order_;  // input positions, longest first
  std::vector<BatchMember> members_;  // of padded batches, in that order
  std::vector<PaddedGroup> groups_;
  std::atomic<std::size_t> next_group_{0};
};

/// SPLADE vectors.
class EncodeBatch final : public Batch {
 public:
  EncodeBatch(std::shared_ptr<const Model> model, Sequences sequences, RunControl control, std::size_t keep, bool positions)
      : Batch(std::move(model), std::move(sequences), std::move(control)), keep_(keep), positions_(positions), rows_(size()) {}

  /// In input order; complete once every task ended.
  [[nodiscard]] std::span<const SpladeRow> rows() const { return rows_; }
  [[nodiscard]] bool positions() const { return positions_; }

 private:
  Status collect(const OutputTensor& output, std::uint32_t member, std::size_t length) override;
  Status collect_row(std::span<const float> row, std::uint32_t member) override;

  std::size_t keep_;
  bool positions_;
  std::vector<SpladeRow> rows_;
};

/// Cross-encoder logits.
class PredictBatch final : public Batch {
 public:
  PredictBatch(std::shared_ptr<const Model> model, Sequences sequences, RunControl control, std::size_t labels)
      : Batch(std::move(model), std::move(sequences), std::move(control)), labels_(labels), logits_(size() * labels) {}

  /// [sequences, labels] row-major; complete once every task ended.
  [[nodiscard]] std::span<const float> logits() const { return logits_; }

 private:
  Status collect(const OutputTensor& output, std::uint32_t member, std::size_t length) override;
  Status collect_row(std::span<const float> row, std::uint32_t member) override;

  std::size_t labels_;
  std::vector<float> logits_;
};

}  // namespace sparse_rerank
