#pragma once

#include "core/result.h"

namespace sparse_rerank {

/// What the C++ library has thrown, as a value: for `catch (...)` where calls into this library begin. ERR_TOO_LARGE when memory or threads
/// ran out, else ERR_INTERNAL. Does not throw.
[[nodiscard]] Error current_failure() noexcept;

}  // namespace sparse_rerank
