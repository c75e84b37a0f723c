#include "inference/batch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/memory_budget.h"
#include "core/stage_times.h"
#include "kernels/finite.h"
#include "kernels/positive.h"

namespace sparse_rerank {

namespace {

std::string text_of(std::span<const std::int64_t> shape) {
  std::string list;
  for (const std::int64_t dimension : shape) list += (list.empty() ? "" : ", ") + std::to_string(dimension);
  return "[" + list + "]";
}

/// Of someone else's graph.
Status check_exported(OutputTensor& output, std::size_t length, std::size_t columns) {
  const std::vector<std::int64_t>& shape = output.shape();
  const bool is_vector = shape.size() == 2;
  const std::size_t expected = (is_vector ? 1 : length) * columns;
  if ((is_vector || shape.size() == 3) && shape.back() == static_cast<std::int64_t>(columns) && output.floats().size() == expected) {
    return std::nullopt;
  }
  return Error{"ERR_TENSOR_MISMATCH", "The output of the ONNX file is " + text_of(shape) + " for a sequence of " + std::to_string(length) +
                                          " tokens; expected the logits of a masked language model, [1, tokens, " +
                                          std::to_string(columns) + "], or a vector, [1, " + std::to_string(columns) + "]."};
}

/// NaN would vanish in the head, which keeps positive weights alone: the text would get an empty vector.
Error not_finite() {
  return {
      "ERR_RUNTIME_FAILED",
      "The model computed NaN or infinity: its weights are damaged, or too large for its dtype. Download it again, or take another model."};
}

}  // namespace

Result<RunControls> RunControls::create(const Runtime& runtime, const Model& model, const Sequences& sequences) {
  const bool on_card = model.batches() != nullptr && !model.batches()->device.empty();
  auto usual = RunControl::create(runtime, !on_card && sequences.has_large() ? "cpu:0" : "");
  if (!usual) return std::move(usual).error();
  RunControls controls{std::move(usual).value(), std::nullopt};
  if (!on_card) return controls;
  auto giving_back = RunControl::create(runtime, model.batches()->device);
  if (!giving_back) return std::move(giving_back).error();
  controls.giving_back.emplace(std::move(giving_back).value());
  return controls;
}

Batch::Batch(std::shared_ptr<const Model> model, Sequences sequences, RunControls controls)
    : model_(std::move(model)), sequences_(std::move(sequences)), controls_(std::move(controls)) {
  members_.reserve(sequences_.size());
  for (std::uint32_t i = 0; i < sequences_.size(); ++i) {
    members_.push_back({i, sequences_.length(i), sequences_.bytes.empty() ? 0 : static_cast<std::size_t>(sequences_.bytes[i])});
  }
  std::stable_sort(members_.begin(), members_.end(), [](const BatchMember& a, const BatchMember& b) { return a.length > b.length; });
  if (model_->batches() != nullptr) groups_ = group_members(members_, model_->batches()->budget.bytes());
}

void Batch::interrupt() const {
  controls_.usual.terminate();
  if (controls_.giving_back) controls_.giving_back->terminate();
}

Status Batch::run(std::size_t task) {
  if (auto failure = model_->check_unchanged()) return failure;
  if (model_->batches() != nullptr) return run_groups();
  const BatchMember& member = members_[task];
  const MemoryBudget::Share memory(MemoryBudget::instance(), member.bytes);
  auto output = run_session({}, {&member, 1}, controls_.usual);
  if (!output) return std::move(output).error();
  return collect(output.value(), member.position, member.length);
}

Status Batch::run_groups() {
  BatchBudget& budget = model_->batches()->budget;
  for (std::size_t i = next_group_++; i < groups_.size(); i = next_group_++) {
    // A group planned before the budget shrank is cut again.
    for (const BatchGroup group : group_members(groups_[i], budget.bytes())) {
      if (auto failure = run_group(group, budget, [this](BatchGroup part) { return run(part); })) return failure;
    }
  }
  return std::nullopt;
}

Status Batch::run(BatchGroup group) {
  DeviceMemoryUser* const memory = model_->batches()->memory.get();
  const bool gives_back = memory != nullptr && memory->should_give_back() && controls_.giving_back;
  auto output = run_session(model_->batches()->form, group, gives_back ? *controls_.giving_back : controls_.usual);
  if (!output) {
    if (memory != nullptr && is_out_of_memory(output.error().message)) memory->report_full();
    return std::move(output).error();
  }
  const std::vector<std::int64_t>& shape = output.value().shape();
  if (shape.size() != 2 || shape.front() != static_cast<std::int64_t>(group.size())) {
    return Error{"ERR_INTERNAL",
                 "The graph's output " + text_of(shape) + " has no row for each of " + std::to_string(group.size()) + " sequences."};
  }
  const StageTimes::Scope timed(Stage::kHead);
  return collect_rows(output.value(), group);
}

/// Tokens of a lone sequence that runs as a CUDA graph: longer ones keep a card busy for longer than launching takes, and there is a graph,
/// with memory of its own, for every eight tokens of length.
constexpr std::size_t kLongestGraph = 128;

Result<OutputTensor> Batch::run_session(const BatchForm& form, BatchGroup group, const RunControl& control) const {
  if (group.back().length == 0) return Error{"ERR_INVALID_ARGUMENT", "A sequence has no tokens."};
  // Pool threads live as long as the process; this keeps its memory from run to run.
  thread_local BatchInputs inputs;
  const std::span<const InputView> views = inputs.fill(form, model_->session().inputs(), sequences_, group);
  const StageTimes::Scope timed(Stage::kBody);
  return model_->session().run(views, control, model_->session().captures() && group.size() == 1 && group.front().length <= kLongestGraph);
}

Status EncodeBatch::collect(OutputTensor& output, std::uint32_t member, std::size_t length) {
  const std::span<const float> values = output.floats();
  SpladeRow& row = rows_[member];
  if (const SpladeHead* head = model().head(); head != nullptr) {
    if (values.size() != length * head->hidden()) return Error{"ERR_INTERNAL", "The graph's output is not [tokens, hidden]."};
    if (!all_finite(values)) return not_finite();
    thread_local SpladeHead::Scratch scratch;
    const StageTimes::Scope timed(Stage::kHead);
    head->encode(values.data(), length, keep_, positions_, scratch, row);
    if (!all_below_infinity(row.values)) return not_finite();
    return std::nullopt;
  }
  const ExportSpec::Vectors* const exported = model().exported_vectors();
  if (exported != nullptr) {
    if (auto failure = check_exported(output, length, exported->columns)) return failure;
  }
  if (!all_below_infinity(values)) return not_finite();
  if (exported != nullptr && output.shape().size() == 3) {
    pool_logits(values, exported->columns, exported->pooling, exported->activation, positions_, row);
  } else if (positions_) {
    return Error{"ERR_NOT_SUPPORTED", "The ONNX file pools over the tokens itself, and so does not tell which token gave a weight."};
  } else {
    take_positive(values, row);
  }
  thread_local std::vector<std::uint32_t> order;
  keep_largest(keep_, order, row);
  return std::nullopt;
}

Status EncodeBatch::collect_rows(OutputTensor& output, BatchGroup group) {
  if (positions_) return Error{"ERR_NOT_SUPPORTED", "A graph over batches does not tell which token gave a weight."};
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
    if (const auto activation = model().batches()->activation) activate(row.values, *activation);
    keep_largest(keep_, order, row);
  }
  return std::nullopt;
}

Status PredictBatch::collect(OutputTensor& output, std::uint32_t member, std::size_t) {
  return take_row(output.floats(), member);
}

Status PredictBatch::collect_rows(OutputTensor& output, BatchGroup group) {
  const auto columns = static_cast<std::size_t>(output.shape().back());
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (auto failure = take_row(output.floats().subspan(i * columns, columns), group[i].position)) return failure;
  }
  return std::nullopt;
}

Status PredictBatch::take_row(std::span<const float> row, std::uint32_t member) {
  if (row.size() != labels_) {
    return Error{"ERR_TENSOR_MISMATCH", "The model's output has " + std::to_string(row.size()) + " scores for a pair; config.json says " +
                                            std::to_string(labels_) + "."};
  }
  std::copy_n(row.data(), labels_, logits_.begin() + static_cast<std::ptrdiff_t>(member * labels_));
  return std::nullopt;
}

}  // namespace sparse_rerank
