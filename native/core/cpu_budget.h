#pragma once

#include <cstddef>

namespace sparse_rerank {

/// How many threads this process can run at once: its CPU affinity, bounded by the cgroup quota (v1 or v2) if there is one. At least 1.
/// A container limited to half a CPU gets 1; std::thread::hardware_concurrency() would count the whole machine.
std::size_t cpu_budget();

}  // namespace sparse_rerank
