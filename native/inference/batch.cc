#include "inference/batch.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sparse_rerank {

namespace {

/// Equally long sequences share a run up to this many tokens. Measured on splade-tiny: see docs/architecture.md.
constexpr std::size_t kGroupTokens = 64;

}  // namespace

Status Sequences::check() const {
  const Error broken{"ERR_INVALID_ARGUMENT", "Token offsets must ascend from 0 to the number of ids."};
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != ids.size()) return broken;
  if (!std::is_sorted(offsets.begin(), offsets.end())) return broken;
  if (!type_ids.empty() && type_ids.size() != ids.size()) return Error{"ERR_INVALID_ARGUMENT", "There must be as many type ids as ids."};
  return std::nullopt;
}

Batch::Batch(std::shared_ptr<const Model> model, Sequences sequences, RunControl control)
    : model_(std::move(model)), sequences_(std::move(sequences)), control_(std::move(control)), order_(sequences_.size()) {
  std::iota(order_.begin(), order_.end(), 0U);
  std::stable_sort(order_.begin(), order_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return sequences_.length(a) > sequences_.length(b); });
  for (std::uint32_t i = 0; i < order_.size(); ++i) {
    const std::size_t length = sequences_.length(order_[i]);
    if (!groups_.empty()) {
      Group& last = groups_.back();
      if (sequences_.length(order_[last.first]) == length && (last.count + 1) * length <= kGroupTokens) {
        ++last.count;
        continue;
      }
    }
    groups_.push_back({i, 1});
  }
}

Status Batch::run(std::size_t task) {
  const Group& group = groups_[task];
  const std::span members = std::span(order_).subspan(group.first, group.count);
  const std::size_t length = sequences_.length(members.front());
  if (length == 0) return Error{"ERR_INVALID_ARGUMENT", "A sequence has no tokens."};

  // Pool threads live as long as the process; these keep their capacity from task to task.
  thread_local std::vector<std::int64_t> ids;
  thread_local std::vector<std::int64_t> type_ids;
  ids.clear();
  type_ids.clear();
  for (const std::uint32_t member : members) {
    const auto first = static_cast<std::ptrdiff_t>(sequences_.offsets[member]);
    const auto last = first + static_cast<std::ptrdiff_t>(length);
    ids.insert(ids.end(), sequences_.ids.begin() + first, sequences_.ids.begin() + last);
    if (!sequences_.type_ids.empty()) {
      type_ids.insert(type_ids.end(), sequences_.type_ids.begin() + first, sequences_.type_ids.begin() + last);
    }
  }
  type_ids.resize(ids.size(), 0);

  auto output = model_->session().run(ids, type_ids, members.size(), length, control_);
  if (!output) return std::move(output).error();
  return collect(output.value(), members, length);
}

Status EncodeBatch::collect(const OutputTensor& output, std::span<const std::uint32_t> members, std::size_t length) {
  const SpladeHead& head = *model().head();
  if (output.data().size() != members.size() * length * head.hidden()) {
    return Error{"ERR_INTERNAL", "The graph's output is not [tokens, hidden]."};
  }
  thread_local SpladeHead::Scratch scratch;
  for (std::size_t i = 0; i < members.size(); ++i) {
    head.encode(output.data().data() + i * length * head.hidden(), length, keep_, positions_, scratch, rows_[members[i]]);
  }
  return std::nullopt;
}

Status PredictBatch::collect(const OutputTensor& output, std::span<const std::uint32_t> members, std::size_t) {
  if (output.data().size() != members.size() * labels_) return Error{"ERR_INTERNAL", "The graph's output is not [sequences, labels]."};
  for (std::size_t i = 0; i < members.size(); ++i) {
    std::copy_n(output.data().data() + i * labels_, labels_, logits_.begin() + static_cast<std::ptrdiff_t>(members[i] * labels_));
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
