#pragma once

#include <memory>
#include <utility>

#include "inference/backend.h"
#include "inference/session.h"

namespace sparse_rerank {

/// The CPU: one task and one run for each sequence, the longest first, so that no thread is left with a long one at the end. Nothing is
/// padded and no run is shared, so a text's result has the same bits whatever texts come with it. A sequence waits until the memory that it
/// needs is free.
class SequenceBackend final : public Backend {
 public:
  SequenceBackend(const Runtime& runtime, Session session) : runtime_(&runtime), session_(std::move(session)) {}

  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const override;

 private:
  const Runtime* runtime_;
  Session session_;
};

}  // namespace sparse_rerank
