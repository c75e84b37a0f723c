#include "core/cpu_budget.h"

#include <algorithm>
#include <cmath>
#include <thread>

#ifdef __linux__
#include <sched.h>

#include <fstream>
#include <optional>
#include <string>

#include "core/cgroup.h"
#endif

namespace sparse_rerank {

namespace {

#ifdef __linux__

/// Number of CPUs in this thread's affinity mask. The call fails on machines beyond CPU_SETSIZE (1024); the caller then falls back.
std::optional<std::size_t> affinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::nullopt;
  return static_cast<std::size_t>(CPU_COUNT(&set));
}

std::optional<double> quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  const double value = std::strtod(quota.c_str(), nullptr);
  return value > 0 ? std::optional(value / period) : std::nullopt;
}

std::optional<double> quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

/// The smallest quota from this process's cgroup up to the root.
std::optional<double> cgroup_quota() {
  std::optional<double> smallest;
  visit_cgroups("cpu", [&smallest](const std::string& folder, bool unified) {
    const std::optional<double> quota = unified ? quota_v2(folder) : quota_v1(folder);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  });
  return smallest;
}

#endif

}  // namespace

std::size_t cpu_budget() {
  std::size_t cpus = std::thread::hardware_concurrency();
#ifdef __linux__
  if (const auto allowed = affinity()) cpus = *allowed;
  if (const auto quota = cgroup_quota()) cpus = std::min(cpus, static_cast<std::size_t>(std::ceil(*quota)));
#endif
  return std::max<std::size_t>(cpus, 1);
}

}  // namespace sparse_rerank
