#include "core/memory_budget.h"

#include <algorithm>
#include <limits>
#include <string>

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#else
#include <unistd.h>

#include <fstream>
#endif

#include "core/cgroup.h"

namespace sparse_rerank {

namespace {

std::size_t physical_memory() {
#if defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? static_cast<std::size_t>(status.ullTotalPhys) : 0;
#elif defined(__APPLE__)
  std::uint64_t bytes = 0;
  std::size_t size = sizeof bytes;
  return sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0 ? static_cast<std::size_t>(bytes) : 0;
#else
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0;
#endif
}

}  // namespace

std::size_t memory_limit() {
  std::size_t limit = physical_memory();
#ifdef __linux__
  visit_cgroups("memory", [&limit](const std::string& folder, bool unified) {
    std::ifstream file(folder + (unified ? "/memory.max" : "/memory.limit_in_bytes"));
    // "max" in version 2, and a number above any memory in version 1, mean no limit.
    if (std::uint64_t bytes = 0; file >> bytes && bytes > 0) limit = limit == 0 ? bytes : std::min<std::uint64_t>(limit, bytes);
  });
#endif
  return limit;
}

MemoryBudget::MemoryBudget() {
  const std::size_t limit = memory_limit();
  limit_ = limit == 0 ? std::numeric_limits<std::size_t>::max() : limit / 5 * 4;
}

MemoryBudget& MemoryBudget::instance() {
  // Never destroyed: pool threads may still hold shares when the process exits.
  static auto* const budget = new MemoryBudget;
  return *budget;
}

Status MemoryBudget::set_limit(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (limit_in_use_ && bytes != limit_) {
    return Error{"ERR_ALREADY_CONFIGURED",
                 "The memory limit is " + std::to_string(limit_) + " bytes already: call configure() before the first model is loaded."};
  }
  limit_ = bytes;
  return std::nullopt;
}

std::size_t MemoryBudget::limit() {
  const std::lock_guard lock(mutex_);
  limit_in_use_ = true;
  return limit_;
}

// A share above the limit waits until it is the only one: rejecting it is up to the caller, who knows what it is for.
MemoryBudget::Share::Share(MemoryBudget& budget, std::size_t bytes) : budget_(budget), bytes_(std::min(bytes, budget.limit())) {
  std::unique_lock lock(budget_.mutex_);
  const std::uint64_t ticket = budget_.next_ticket_++;
  budget_.returned_.wait(lock, [&] { return budget_.served_ticket_ == ticket && bytes_ <= budget_.limit_ - budget_.used_; });
  budget_.used_ += bytes_;
  ++budget_.served_ticket_;
  // The next in line may fit too.
  if (budget_.served_ticket_ != budget_.next_ticket_) budget_.returned_.notify_all();
}

MemoryBudget::Share::~Share() {
  const std::lock_guard lock(budget_.mutex_);
  budget_.used_ -= bytes_;
  if (budget_.served_ticket_ != budget_.next_ticket_) budget_.returned_.notify_all();
}

}  // namespace sparse_rerank
