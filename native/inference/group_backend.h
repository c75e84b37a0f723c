#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "inference/backend.h"
#include "inference/cuda/cuda_provider.h"
#include "inference/cuda/device_memory.h"
#include "inference/group_inputs.h"
#include "inference/session.h"
#include "kernels/splade_head.h"

namespace sparse_rerank {

/// A graph that runs groups of sequences and outputs one row for each sequence.
struct GroupSpec {
  GroupLayout layout;
  /// Memory that a group may use, by the estimates in Sequences::bytes.
  std::size_t bytes = 0;
  /// The activation to apply to the rows, which are maxima of logits; absent if the rows are the result.
  std::optional<SpladeActivation> activation;
  /// Absent on the CPU, where tests run the graphs built for GPUs.
  std::optional<CudaSpec> cuda;
};

/// Execution on a GPU: sequences of similar length run together. Two tasks take turns, so that the next group is ready when the GPU
/// finishes one. A group that runs out of memory is run in halves, and later groups are smaller.
class GroupBackend final : public Backend {
 public:
  GroupBackend(const Runtime& runtime, Session session, const GroupSpec& spec);

  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const override;
  /// Runs one sequence. Kernels load their libraries on first use, so this reports a missing one when the model loads.
  /// Errors: ERR_DEVICE_UNAVAILABLE, ERR_RUNTIME_FAILED.
  [[nodiscard]] Status try_out() const;

 private:
  class GroupRunner;

  struct Device {
    explicit Device(int number);
    std::string name;  // in the form of RunControl::create
    DeviceMemoryUser memory;
  };

  const Runtime* runtime_;
  Session session_;
  GroupLayout layout_;
  mutable GroupBudget budget_;
  std::unique_ptr<Device> device_;  // null on the CPU
};

}  // namespace sparse_rerank
