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

/// A graph that takes groups of sequences, and gives one row for each.
struct GroupSpec {
  GroupLayout layout;
  /// Memory that a group may take, by the estimates that come with the sequences.
  std::size_t bytes = 0;
  /// Still to be applied to the rows, which are maxima of logits; absent where the rows are the result.
  std::optional<SpladeActivation> activation;
  /// Absent for the CPU, where tests run the graphs of GPUs.
  std::optional<CudaSpec> cuda;
};

/// A GPU: sequences of similar length run together. Two tasks take one group after the other, so that the GPU has its next group when it
/// ends one. A group that finds no memory runs in halves, and later groups are smaller.
class GroupBackend final : public Backend {
 public:
  GroupBackend(const Runtime& runtime, Session session, const GroupSpec& spec);

  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const override;
  /// Runs one sequence: libraries are loaded when a kernel first needs them, and what is missing should be known before there is work.
  /// Errors: ERR_DEVICE_UNAVAILABLE, ERR_RUNTIME_FAILED.
  [[nodiscard]] Status try_out() const;

 private:
  class GroupRunner;

  struct Device {
    explicit Device(int number);
    std::string name;  // as RunControl has it
    DeviceMemoryUser memory;
  };

  const Runtime* runtime_;
  Session session_;
  GroupLayout layout_;
  mutable GroupBudget budget_;
  std::unique_ptr<Device> device_;  // null for the CPU
};

}  // namespace sparse_rerank
