#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/result.h"
#include "inference/sequence_groups.h"
#include "inference/sequences.h"

namespace sparse_rerank {

class OutputTensor;
class Session;

/// Receives the outputs of a call's runs. Called on pool threads, several at once; each sequence is delivered once.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  /// @param output the result of a run of one sequence
  /// @param sequence the position of the sequence in the input
  /// @param length the number of its tokens
  virtual Status take_sequence(OutputTensor& output, std::uint32_t sequence, std::size_t length) = 0;
  /// @param output the result of a run of a group, [members, columns]
  virtual Status take_rows(OutputTensor& output, SequenceGroup group) = 0;
};

/// The runs of one call. The backend must outlive every run(); interrupt() does not need it.
class Runner {
 public:
  virtual ~Runner() = default;

  [[nodiscard]] virtual std::size_t tasks() const = 0;
  /// Pool thread. Each task runs once, several at once.
  virtual Status run(std::size_t task, OutputSink& sink) = 0;
  /// Any thread. Running tasks end soon, with an error.
  virtual void interrupt() const = 0;
};

/// How a model executes: which sequences share a run, on which device, and how much memory a run waits for. Model::load selects the
/// subclass. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  /// @param sequences must pass Sequences::check
  [[nodiscard]] virtual Result<std::unique_ptr<Runner>> start(Sequences sequences) const = 0;
  /// The session, if its runs can continue from a prefix; otherwise null.
  [[nodiscard]] virtual const Session* continuing() const { return nullptr; }
};

}  // namespace sparse_rerank
