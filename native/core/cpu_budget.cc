#include "core/cpu_budget.h"

#include <algorithm>
#include <cmath>
#include <thread>

#ifdef __linux__
#include <sched.h>

#include <fstream>
#include <optional>
#include <string>
#endif

namespace sparse_rerank {

namespace {

#ifdef __linux__

/// CPUs in this thread's affinity mask. Machines beyond CPU_SETSIZE (1024) make the call fail; the caller falls back.
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

/// The smallest quota on the way from this process's cgroup to the root: any ancestor's limit binds too.
std::optional<double> cgroup_quota() {
  std::optional<double> smallest;
  const auto consider = [&smallest](std::optional<double> quota) {
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // hierarchy-ID:controllers:path; the unified hierarchy has ID 0 and no controllers.
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = line.substr(second + 1);
    while (true) {
      consider(unified ? quota_v2(root + path) : quota_v1(root + path));
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
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
