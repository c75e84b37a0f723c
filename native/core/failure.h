#pragma once

#include "core/result.h"

namespace sparse_rerank {

/// Converts the current C++ exception to a value: for `catch (...)` at the entry points of this library. ERR_TOO_LARGE if memory or threads
/// ran out, else ERR_INTERNAL. Does not throw.
[[nodiscard]] Error current_failure() noexcept;

}  // namespace sparse_rerank
