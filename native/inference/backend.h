#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/result.h"
#include "inference/sequence_groups.h"
#include "inference/sequences.h"

namespace sparse_rerank {

class OutputTensor;

/// Takes what the runs of a call give. Pool threads, several at once; each sequence comes once.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  /// @param output of a run of one sequence
  /// @param sequence its position in the input
  /// @param length its tokens
  virtual Status take_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) = 0;
  /// @param output of a run of a group, [members, columns]
  virtual Status take_rows(OutputTensor& output, SequenceGroup group) = 0;
};

/// The runs of one call. While run() is under way its backend must exist; interrupt() does not need it.
class Runner {
 public:
  virtual ~Runner() = default;

  [[nodiscard]] virtual std::size_t tasks() const = 0;
  /// Pool thread; each task once, several at once.
  virtual Status run(std::size_t task, OutputSink& sink) = 0;
  /// Any thread: running tasks end soon, with an error.
  virtual void interrupt() const = 0;
};

/// How a model executes: what one run takes, on which device, and what memory a run waits for. There is one class for each style of
/// execution, and Model::load chooses it. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  /// @param sequences that Sequences::check accepts
  [[nodiscard]] virtual Result<std::unique_ptr<Runner>> start(Sequences sequences) const = 0;
};

}  // namespace sparse_rerank
