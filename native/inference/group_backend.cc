#include "inference/group_backend.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/stage_times.h"
#include "inference/tensor.h"

namespace sparse_rerank {

namespace {

constexpr std::size_t kGroupsInFlight = 2;

/// The longest single sequence, in tokens, that runs as a CUDA graph. Longer ones keep a GPU busy for longer than the launches take, and
/// each multiple of eight tokens needs a graph with its own memory.
constexpr std::size_t kLongestGraph = 128;

struct RunControls {
  RunControl usual;
  /// For runs that return idle device memory; absent on the CPU.
  std::optional<RunControl> giving_back;
};

}  // namespace

class GroupBackend::GroupRunner final : public Runner {
 public:
  GroupRunner(const GroupBackend& backend, Sequences sequences, RunControls controls)
      : backend_(backend),
        sequences_(std::move(sequences)),
        controls_(std::move(controls)),
        queue_(longest_first(sequences_), backend.budget_) {}

  [[nodiscard]] std::size_t tasks() const override { return std::min(queue_.size(), kGroupsInFlight); }

  Status run(std::size_t, OutputSink& sink) override {
    return queue_.drain([&](SequenceGroup group) { return run_group(group, sink); });
  }

  void interrupt() const override {
    controls_.usual.terminate();
    if (controls_.giving_back) controls_.giving_back->terminate();
  }

 private:
  Status run_group(SequenceGroup group, OutputSink& sink) const {
    Device* const device = backend_.device_.get();
    const bool gives_back = device != nullptr && device->memory.should_give_back() && controls_.giving_back;
    auto output = run_session(group, gives_back ? *controls_.giving_back : controls_.usual);
    if (!output) {
      if (device != nullptr && is_out_of_memory(output.error().message)) device->memory.report_full();
      return std::move(output).error();
    }
    const std::vector<std::int64_t>& shape = output.value().shape();
    if (shape.size() != 2 || shape.front() != static_cast<std::int64_t>(group.size())) {
      return Error{"ERR_INTERNAL",
                   "The graph's output " + to_text(shape) + " has no row for each of " + std::to_string(group.size()) + " sequences."};
    }
    const StageTimes::Scope timed(Stage::kHead);
    return sink.take_rows(output.value(), group);
  }

  [[nodiscard]] Result<OutputTensor> run_session(SequenceGroup group, const RunControl& control) const {
    const Session& session = backend_.session_;
    // Reused from run to run: pool threads live as long as the process.
    thread_local GroupInputs inputs;
    const std::span<const InputView> views = inputs.fill(backend_.layout_, session.inputs(), sequences_, group);
    const StageTimes::Scope timed(Stage::kBody);
    const bool captured = session.captures() && group.size() == 1 && group.front().length <= kLongestGraph;
    return session.run(views, control, {.captured = captured});
  }

  const GroupBackend& backend_;
  const Sequences sequences_;
  const RunControls controls_;
  GroupQueue queue_;
};

GroupBackend::Device::Device(int number) : name("gpu:" + std::to_string(number)), memory(DeviceMemory::of(number)) {}

GroupBackend::GroupBackend(const Runtime& runtime, Session session, const GroupSpec& spec)
    : runtime_(&runtime),
      session_(std::move(session)),
      layout_(spec.layout),
      budget_(spec.bytes),
      device_(spec.cuda ? std::make_unique<Device>(spec.cuda->device) : nullptr) {}

Result<std::unique_ptr<Runner>> GroupBackend::start(Sequences sequences) const {
  auto usual = RunControl::create(*runtime_, !device_ && sequences.has_large() ? "cpu:0" : "");
  if (!usual) return std::move(usual).error();
  RunControls controls{std::move(usual).value(), std::nullopt};
  if (device_) {
    auto giving_back = RunControl::create(*runtime_, device_->name);
    if (!giving_back) return std::move(giving_back).error();
    controls.giving_back.emplace(std::move(giving_back).value());
  }
  return std::unique_ptr<Runner>(std::make_unique<GroupRunner>(*this, std::move(sequences), std::move(controls)));
}

Status GroupBackend::try_out() const {
  // Long enough for more than one group of rows, so that every operator runs.
  const std::size_t limit = layout_.max_length;
  const auto length = static_cast<std::uint32_t>(limit == 0 ? kRowGroups + 1 : std::min(kRowGroups + 1, limit));
  const Sequences sequences{std::vector<std::int32_t>(length, 0), {0, length}, {}, {}, nullptr};
  const GroupMember member{0, length, 0};
  const auto control = RunControl::create(*runtime_);
  if (!control) return control.error();
  GroupInputs inputs;
  const auto output = session_.run(inputs.fill(layout_, session_.inputs(), sequences, {&member, 1}), control.value());
  if (output) return std::nullopt;
  const Error& failure = output.error();
  // Since ONNX Runtime 1.31 the provider looks for cuDNN only when a run needs it.
  if (failure.message.find("cuDNN is unavailable") != std::string::npos) return Error{"ERR_DEVICE_UNAVAILABLE", failure.message};
  return failure;
}

}  // namespace sparse_rerank
