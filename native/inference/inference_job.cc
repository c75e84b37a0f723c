#include "inference/inference_job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/stage_times.h"
#include "inference/session.h"
#include "inference/tensor.h"
#include "kernels/finite.h"
#include "kernels/positive.h"

namespace sparse_rerank {

namespace {

/// Checks the output of an external ONNX model.
Status check_exported(OutputTensor& output, std::size_t length, std::size_t columns) {
  const std::vector<std::int64_t>& shape = output.shape();
  const bool is_vector = shape.size() == 2;
  const std::size_t expected = (is_vector ? 1 : length) * columns;
  if ((is_vector || shape.size() == 3) && shape.back() == static_cast<std::int64_t>(columns) && output.floats().size() == expected) {
    return std::nullopt;
  }
  return Error{"ERR_TENSOR_MISMATCH", "The output of the ONNX file is " + to_text(shape) + " for a sequence of " + std::to_string(length) +
                                          " tokens; expected the logits of a masked language model, [1, tokens, " +
                                          std::to_string(columns) + "], or a vector, [1, " + std::to_string(columns) + "]."};
}

/// The head keeps only positive weights, so NaN would vanish there and the text would get an empty vector.
Error not_finite() {
  return {
      "ERR_RUNTIME_FAILED",
      "The model computed NaN or infinity: its weights are damaged, or too large for its dtype. Download it again, or use another model."};
}

}  // namespace

Status InferenceJob::run(std::size_t task) {
  if (auto failure = model_->check_unchanged()) return failure;
  const TimeAdded timed(task_time_);
  return runner_->run(task, *this);
}

Status InferenceJob::take_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) {
  const TimeAdded timed(head_time_);
  return add_sequence(output, sequence, length);
}

Status InferenceJob::take_rows(OutputTensor& output, SequenceGroup group) {
  const TimeAdded timed(head_time_);
  return add_rows(output, group);
}

Result<std::unique_ptr<EncodeJob>> EncodeJob::create(std::shared_ptr<const Model> model, Sequences sequences, EncodeOptions options) {
  const std::size_t count = sequences.size();
  auto runner = model->start(std::move(sequences));
  if (!runner) return std::move(runner).error();
  return std::unique_ptr<EncodeJob>(new EncodeJob(std::move(model), std::move(runner).value(), count, options));
}

Result<std::unique_ptr<PredictJob>> PredictJob::create(std::shared_ptr<const Model> model, Sequences sequences, std::size_t labels) {
  const std::size_t count = sequences.size();
  auto runner = model->start(std::move(sequences));
  if (!runner) return std::move(runner).error();
  return std::unique_ptr<PredictJob>(new PredictJob(std::move(model), std::move(runner).value(), count, labels));
}

Status EncodeJob::add_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) {
  const std::span<const float> values = output.floats();
  SpladeRow& row = rows_[sequence];
  if (const SpladeHead* head = model().head(); head != nullptr) {
    if (values.size() != length * head->hidden()) return Error{"ERR_INTERNAL", "The graph's output is not [tokens, hidden]."};
    if (!all_finite(values)) return not_finite();
    thread_local SpladeHead::Scratch scratch;
    const StageTimes::Scope timed(Stage::kHead);
    head->encode(values.data(), length, options_.keep, options_.positions, scratch, row);
    if (!all_below_infinity(row.values)) return not_finite();
    return std::nullopt;
  }
  const ExportSpec::Vectors* const exported = model().exported_vectors();
  if (exported != nullptr) {
    if (auto failure = check_exported(output, length, exported->columns)) return failure;
  }
  if (!all_below_infinity(values)) return not_finite();
  if (exported != nullptr && output.shape().size() == 3) {
    pool_logits(values, exported->columns, exported->pooling, exported->activation, options_.positions, row);
  } else if (options_.positions) {
    return Error{"ERR_NOT_SUPPORTED", "The ONNX file pools over the tokens itself, so the token of each weight is unknown."};
  } else {
    take_positive(values, row);
  }
  thread_local std::vector<std::uint32_t> order;
  keep_largest(options_.keep, order, row);
  return std::nullopt;
}

Status EncodeJob::add_rows(OutputTensor& output, SequenceGroup group) {
  if (options_.positions)
    return Error{"ERR_NOT_SUPPORTED", "A model that runs groups of sequences does not report the token of each weight."};
  const std::span<const std::uint16_t> halves = output.halves();
  const std::span<const float> floats = halves.empty() ? output.floats() : std::span<const float>();
  const auto columns = static_cast<std::size_t>(output.shape().back());
  thread_local std::vector<std::uint32_t> order;
  for (std::size_t i = 0; i < group.size(); ++i) {
    SpladeRow& row = rows_[group[i].position];
    if (halves.empty()) {
      const std::span<const float> dense = floats.subspan(i * columns, columns);
      if (!all_below_infinity(dense)) return not_finite();
      take_positive(dense, row);
    } else {
      const std::span<const std::uint16_t> dense = halves.subspan(i * columns, columns);
      if (!all_below_infinity(dense)) return not_finite();
      take_positive_halves(dense, row);
    }
    if (const auto activation = model().row_activation()) activate(row.values, *activation);
    keep_largest(options_.keep, order, row);
  }
  return std::nullopt;
}

Status PredictJob::add_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t) {
  return take_row(output.floats(), sequence);
}

Status PredictJob::add_rows(OutputTensor& output, SequenceGroup group) {
  const auto columns = static_cast<std::size_t>(output.shape().back());
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (auto failure = take_row(output.floats().subspan(i * columns, columns), group[i].position)) return failure;
  }
  return std::nullopt;
}

Status PredictJob::take_row(std::span<const float> row, std::uint32_t sequence) {
  if (row.size() != labels_) {
    return Error{"ERR_TENSOR_MISMATCH", "The model's output has " + std::to_string(row.size()) + " scores for a pair; config.json says " +
                                            std::to_string(labels_) + "."};
  }
  std::copy_n(row.data(), labels_, logits_.begin() + static_cast<std::ptrdiff_t>(sequence * labels_));
  return std::nullopt;
}

}  // namespace sparse_rerank
