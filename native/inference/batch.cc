#include "inference/batch.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "core/memory_budget.h"
#include "core/stage_times.h"

namespace sparse_rerank {

Status Sequences::check() const {
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != ids.size() || !std::is_sorted(offsets.begin(), offsets.end())) {
    return Error{"ERR_INVALID_ARGUMENT", "Token offsets must ascend from 0 to the number of ids."};
  }
  if (!type_ids.empty() && type_ids.size() != ids.size()) return Error{"ERR_INVALID_ARGUMENT", "There must be as many type ids as ids."};
  const auto countable = [](double number) { return number >= 0 && number < 9e15; };
  if (!bytes.empty() && (bytes.size() != size() || !std::all_of(bytes.begin(), bytes.end(), countable))) {
    return Error{"ERR_INVALID_ARGUMENT", "There must be a number of bytes for each sequence."};
  }
  return std::nullopt;
}

namespace {

void take_positive(std::span<const float> values, SpladeRow& row) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > 0.0f)) continue;
    row.indices.push_back(static_cast<std::uint32_t>(i));
    row.values.push_back(values[i]);
  }
}

std::string text_of(std::span<const std::int64_t> shape) {
  std::string list;
  for (const std::int64_t dimension : shape) list += (list.empty() ? "" : ", ") + std::to_string(dimension);
  return "[" + list + "]";
}

/// Of someone else's graph.
Status check_exported(const OutputTensor& output, std::size_t length, std::size_t columns) {
  const std::vector<std::int64_t>& shape = output.shape();
  const bool is_vector = shape.size() == 2;
  const std::size_t expected = (is_vector ? 1 : length) * columns;
  if ((is_vector || shape.size() == 3) && shape.back() == static_cast<std::int64_t>(columns) && output.data().size() == expected) {
    return std::nullopt;
  }
  return Error{"ERR_TENSOR_MISMATCH", "The output of the ONNX file is " + text_of(shape) + " for a sequence of " + std::to_string(length) +
                                          " tokens; expected the logits of a masked language model, [1, tokens, " +
                                          std::to_string(columns) + "], or a vector, [1, " + std::to_string(columns) + "]."};
}

}  // namespace

bool Sequences::has_large() const {
  constexpr double kLarge = 256 << 20;
  return std::any_of(bytes.begin(), bytes.end(), [](double number) { return number > kLarge; });
}

Batch::Batch(std::shared_ptr<const Model> model, Sequences sequences, RunControl control)
    : model_(std::move(model)), sequences_(std::move(sequences)), control_(std::move(control)), order_(sequences_.size()) {
  std::iota(order_.begin(), order_.end(), 0U);
  std::stable_sort(order_.begin(), order_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return sequences_.length(a) > sequences_.length(b); });
  if (model_->padded() == nullptr) return;
  members_.reserve(order_.size());
  for (const std::uint32_t position : order_) {
    const double bytes = sequences_.bytes.empty() ? 0 : sequences_.bytes[position];
    members_.push_back({position, sequences_.length(position), static_cast<std::size_t>(bytes)});
  }
  groups_ = group_members(members_, model_->padded()->budget.bytes());
}

Status Batch::run(std::size_t task) {
  if (model_->padded() != nullptr) return run_padded();
  const std::uint32_t member = order_[task];
  const std::size_t length = sequences_.length(member);
  if (length == 0) return Error{"ERR_INVALID_ARGUMENT", "A sequence has no tokens."};

  const MemoryBudget::Share memory(MemoryBudget::instance(),
                                   sequences_.bytes.empty() ? 0 : static_cast<std::size_t>(sequences_.bytes[member]));

  // Pool threads live as long as the process; these keep their capacity from task to task.
  thread_local std::vector<std::int64_t> ids;
  thread_local std::vector<std::int64_t> type_ids;
  const auto first = static_cast<std::ptrdiff_t>(sequences_.offsets[member]);
  const auto last = first + static_cast<std::ptrdiff_t>(length);
  ids.assign(sequences_.ids.begin() + first, sequences_.ids.begin() + last);
  if (sequences_.type_ids.empty()) {
    type_ids.assign(length, 0);
  } else {
    type_ids.assign(sequences_.type_ids.begin() + first, sequences_.type_ids.begin() + last);
  }

  auto output = [&] {
    const StageTimes::Scope timed(Stage::kBody);
    return model_->session().run(ids, {}, type_ids, 1, length, control_);
  }();
  if (!output) return std::move(output).error();
  return collect(output.value(), member, length);
}

namespace {

/// Multiples of 8 suit the tensor cores, and biases of attention that memory-efficient kernels take.
std::size_t padded_length(std::size_t longest, std::size_t limit) {
  const std::size_t rounded = (longest + 7) / 8 * 8;
  return limit == 0 ? rounded : std::max(longest, std::min(rounded, limit));
}

}  // namespace

Status Batch::run_padded() {
  for (std::size_t i = next_group_++; i < groups_.size(); i = next_group_++) {
    // A group planned before the budget shrank is cut again.
    for (const PaddedGroup group : group_members(groups_[i], model_->padded()->budget.bytes())) {
      if (auto failure = run_group(group, model_->padded()->budget, [this](PaddedGroup part) { return run_padded(part); })) return failure;
    }
  }
  return std::nullopt;
}

Status Batch::run_padded(PaddedGroup group) {
  if (group.back().length == 0) return Error{"ERR_INVALID_ARGUMENT", "A sequence has no tokens."};
  const std::size_t length = padded_length(group.front().length, model_->padded()->max_length);
  thread_local std::vector<std::int64_t> ids;
  thread_local std::vector<std::int64_t> mask;
  thread_local std::vector<std::int64_t> type_ids;
  for (auto* const input : {&ids, &mask, &type_ids}) input->assign(group.size() * length, 0);
  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::size_t first = sequences_.offsets[group[i].position];
    std::copy_n(sequences_.ids.data() + first, group[i].length, ids.data() + i * length);
    std::fill_n(mask.data() + i * length, group[i].length, 1);
    if (!sequences_.type_ids.empty()) std::copy_n(sequences_.type_ids.data() + first, group[i].length, type_ids.data() + i * length);
  }
  auto output = [&] {
    const StageTimes::Scope timed(Stage::kBody);
    return model_->session().run(ids, mask, type_ids, group.size(), length, control_);
  }();
  if (!output) return std::move(output).error();
  const std::span<const float> values = output.value().data();
  if (values.size() % group.size() != 0) return Error{"ERR_INTERNAL", "The graph's output has no row for each sequence."};
  const std::size_t columns = values.size() / group.size();
  const StageTimes::Scope timed(Stage::kHead);
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (auto failure = collect_row(values.subspan(i * columns, columns), group[i].position)) return failure;
  }
  return std::nullopt;
}

Status EncodeBatch::collect(const OutputTensor& output, std::uint32_t member, std::size_t length) {
  const std::span<const float> values = output.data();
  SpladeRow& row = rows_[member];
  if (const SpladeHead* head = model().head(); head != nullptr) {
    if (values.size() != length * head->hidden()) return Error{"ERR_INTERNAL", "The graph's output is not [tokens, hidden]."};
    thread_local SpladeHead::Scratch scratch;
    const StageTimes::Scope timed(Stage::kHead);
    head->encode(values.data(), length, keep_, positions_, scratch, row);
    return std::nullopt;
  }
  const ExportSpec::Vectors* const exported = model().exported_vectors();
  if (exported != nullptr) {
    if (auto failure = check_exported(output, length, exported->columns)) return failure;
  }
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

Status EncodeBatch::collect_row(std::span<const float> values, std::uint32_t member) {
  if (positions_) return Error{"ERR_NOT_SUPPORTED", "A padded graph does not tell which token gave a weight."};
  SpladeRow& row = rows_[member];
  if (const auto activation = model().padded()->activation) {
    pool_logits(values, values.size(), Pooling::kMax, *activation, false, row);
  } else {
    take_positive(values, row);
  }
  thread_local std::vector<std::uint32_t> order;
  keep_largest(keep_, order, row);
  return std::nullopt;
}

Status PredictBatch::collect(const OutputTensor& output, std::uint32_t member, std::size_t) {
  return collect_row(output.data(), member);
}

Status PredictBatch::collect_row(std::span<const float> row, std::uint32_t member) {
  if (row.size() != labels_) {
    return Error{"ERR_TENSOR_MISMATCH", "The model's output has " + std::to_string(row.size()) + " scores for a pair; config.json says " +
                                            std::to_string(labels_) + "."};
  }
  std::copy_n(row.data(), labels_, logits_.begin() + static_cast<std::ptrdiff_t>(member * labels_));
  return std::nullopt;
}

}  // namespace sparse_rerank
