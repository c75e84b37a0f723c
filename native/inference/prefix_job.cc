#include "inference/prefix_job.h"

#include "core/memory_budget.h"
#include "core/stage_times.h"
#include "inference/group_inputs.h"

namespace sparse_rerank {

Result<std::unique_ptr<PrefixJob>> PrefixJob::create(std::shared_ptr<const Model> model, std::vector<std::int32_t> ids, std::size_t bytes) {
  const Session* const session = model->continuing();
  if (session == nullptr) return Error{"ERR_INTERNAL", "The runs of this model cannot continue from a prefix."};
  Sequences prefix;
  prefix.offsets = {0, static_cast<std::uint32_t>(ids.size())};
  prefix.ids = std::move(ids);
  prefix.bytes = {static_cast<double>(bytes)};
  if (auto failure = prefix.check()) return *std::move(failure);
  auto control = RunControl::create(session->runtime(), prefix.has_large() ? "cpu:0" : "");
  if (!control) return std::move(control).error();
  return std::unique_ptr<PrefixJob>(new PrefixJob(std::move(model), std::move(prefix), std::move(control).value()));
}

Status PrefixJob::run() {
  if (auto failure = model_->check_unchanged()) return failure;
  const Session& session = *model_->continuing();
  auto allocated = KeptPrefix::allocate(session.runtime(), session.prefix()->spec, prefix_.ids);
  if (!allocated) return std::move(allocated).error();
  if (allocated.value() == nullptr) return std::nullopt;
  const std::vector<GroupMember> members = longest_first(prefix_);
  const MemoryBudget::Share memory(MemoryBudget::instance(), members.front().bytes);
  GroupInputs inputs;
  const std::span<const InputView> views = inputs.fill({}, session.inputs(), prefix_, members);
  const StageTimes::Scope timed(Stage::kBody);
  if (auto failure = session.keep(views, control_, *allocated.value())) return failure;
  kept_ = std::move(allocated).value();
  return std::nullopt;
}

}  // namespace sparse_rerank
