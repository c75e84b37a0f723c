#pragma once

#include <atomic>

#include "core/result.h"

namespace sparse_rerank {

/// @param cancel may be null: never
inline bool is_cancelled(const std::atomic<bool>* cancel) {
  return cancel != nullptr && cancel->load(std::memory_order_relaxed);
}
inline Error aborted() {
  return {"ERR_ABORTED", "The operation was aborted."};
}

}  // namespace sparse_rerank
