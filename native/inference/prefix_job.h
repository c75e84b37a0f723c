#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/result.h"
#include "inference/kept_prefix.h"
#include "inference/model.h"
#include "inference/session.h"

namespace sparse_rerank {

/// Computes the keys and values of the tokens that later sequences begin with: one run.
class PrefixJob {
 public:
  /// @param ids not empty
  /// @param bytes working memory of the run
  /// Errors: ERR_INTERNAL (the model's runs cannot continue from a prefix).
  static Result<std::unique_ptr<PrefixJob>> create(std::shared_ptr<const Model> model, std::vector<std::int32_t> ids, std::size_t bytes);

  /// Pool thread, once. Errors: those of InferenceJob::run.
  Status run();
  /// Any thread. A running run ends soon, with an error.
  void interrupt() const { control_.terminate(); }
  /// Call once run() has ended or will not be called.
  void release_model() { model_.reset(); }
  /// Null if there is no memory for it (KeptPrefix::allocate).
  [[nodiscard]] std::shared_ptr<const KeptPrefix> kept() const { return kept_; }

 private:
  PrefixJob(std::shared_ptr<const Model> model, Sequences prefix, RunControl control)
      : model_(std::move(model)), prefix_(std::move(prefix)), control_(std::move(control)) {}

  std::shared_ptr<const Model> model_;
  const Sequences prefix_;
  const RunControl control_;
  std::shared_ptr<const KeptPrefix> kept_;
};

}  // namespace sparse_rerank
