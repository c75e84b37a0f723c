#include "inference/sequence_backend.h"

#include <vector>

#include "core/memory_budget.h"
#include "core/stage_times.h"
#include "inference/group_inputs.h"

namespace sparse_rerank {

namespace {

class SequenceRunner final : public Runner {
 public:
  SequenceRunner(const Session& session, Sequences sequences, RunControl control)
      : session_(session), sequences_(std::move(sequences)), control_(std::move(control)), members_(longest_first(sequences_)) {}

  [[nodiscard]] std::size_t tasks() const override { return members_.size(); }
  void interrupt() const override { control_.terminate(); }

  Status run(std::size_t task, OutputSink& sink) override {
    const GroupMember& member = members_[task];
    const MemoryBudget::Share memory(MemoryBudget::instance(), member.bytes);
    auto output = run_session(member);
    if (!output) return std::move(output).error();
    return sink.take_sequence(output.value(), member.position, member.length);
  }

 private:
  [[nodiscard]] Result<OutputTensor> run_session(const GroupMember& member) const {
    // Reused from run to run: pool threads live as long as the process.
    thread_local GroupInputs inputs;
    const std::span<const InputView> views = inputs.fill({}, session_.inputs(), sequences_, {&member, 1});
    const StageTimes::Scope timed(Stage::kBody);
    return session_.run(views, control_, {.prefix = member.kept == 0 ? nullptr : sequences_.prefix.get()});
  }

  const Session& session_;
  const Sequences sequences_;
  const RunControl control_;
  const std::vector<GroupMember> members_;
};

}  // namespace

Result<std::unique_ptr<Runner>> SequenceBackend::start(Sequences sequences) const {
  auto control = RunControl::create(*runtime_, sequences.has_large() ? "cpu:0" : "");
  if (!control) return std::move(control).error();
  return std::unique_ptr<Runner>(std::make_unique<SequenceRunner>(session_, std::move(sequences), std::move(control).value()));
}

}  // namespace sparse_rerank
