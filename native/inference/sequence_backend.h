#pragma once

#include <memory>
#include <utility>

#include "inference/backend.h"
#include "inference/session.h"

namespace sparse_rerank {

/// Execution on the CPU: one task and one run per sequence, the longest first, so that no thread ends with a long one. Nothing is padded
/// and no run is shared, so the result of a text does not depend on the other texts, bit for bit. A sequence waits until the memory that it
/// needs is free.
class SequenceBackend final : public Backend {
 public:
  SequenceBackend(const Runtime& runtime, Session session) : runtime_(&runtime), session_(std::move(session)) {}

  [[nodiscard]] Result<std::unique_ptr<Runner>> start(Sequences sequences) const override;
  [[nodiscard]] const Session* continuing() const override { return session_.prefix() == nullptr ? nullptr : &session_; }

 private:
  const Runtime* runtime_;
  Session session_;
};

}  // namespace sparse_rerank
