#include "kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <string>
#include <variant>

#include "core/cpu.h"
#include "kernels/tables.h"

namespace sparse_rerank {

namespace {

constexpr const char* kEnvironmentVariable = "SPARSE_RERANK_KERNELS";
constexpr std::string_view kKnownNames[] = {"scalar", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512vbmi2", "amx", "neon", "neondot"};

Result<const KernelTable*> find_table(std::string_view name) {
  std::string available;
  for (const KernelTable* table : available_kernels()) {
    if (name == table->name) return table;
    available += available.empty() ? "" : ", ";
    available += table->name;
  }
  bool known = false;
  for (std::string_view candidate : kKnownNames) known = known || name == candidate;
  std::string message = "kernel set \"" + std::string(name) + "\" ";
  message += known ? "cannot run on this machine" : "does not exist";
  message += "; choose one of: " + available;
  return Error{known ? "ERR_NOT_SUPPORTED" : "ERR_INVALID_ARGUMENT", std::move(message)};
}

/// The variable's value; empty counts as unset.
std::string_view requested_name() {
  const char* value = std::getenv(kEnvironmentVariable);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

const KernelTable* choose_table() {
  const std::string_view name = requested_name();
  if (!name.empty()) {
    if (const Result<const KernelTable*> table = find_table(name)) return table.value();
  }
  return available_kernels().back();
}

std::atomic<const KernelTable*>& active_table() {
  static std::atomic<const KernelTable*> table(choose_table());
  return table;
}

}  // namespace

const KernelTable& kernels() {
  return *active_table().load(std::memory_order_acquire);
}

std::vector<const KernelTable*> available_kernels() {
  std::vector<const KernelTable*> tables = {&kScalarKernels};
  [[maybe_unused]] const CpuFeatures features = detect_cpu_features();
#if defined(SPARSE_RERANK_X86_64)
  if (features.avx2) tables.push_back(&kAvx2Kernels);
  if (features.avx2_vnni) tables.push_back(&kAvx2VnniKernels);
  if (features.avx512) tables.push_back(&kAvx512Kernels);
  if (features.avx512_vnni) tables.push_back(&kAvx512VnniKernels);
  if (features.avx512_vbmi2) tables.push_back(&kAvx512Vbmi2Kernels);
#if defined(SPARSE_RERANK_AMX)
  if (features.amx_granted) tables.push_back(&kAmxKernels);
#endif
#elif defined(SPARSE_RERANK_ARM64)
  if (features.neon) tables.push_back(&kNeonKernels);
  if (features.neon_dot) tables.push_back(&kNeonDotKernels);
#endif
  return tables;
}

Status use_kernels(std::string_view name) {
  Result<const KernelTable*> table = find_table(name);
  if (!table) return std::move(table).error();
  active_table().store(table.value(), std::memory_order_release);
  return std::nullopt;
}

Status check_kernels_environment() {
  const std::string_view name = requested_name();
  if (name.empty()) return std::nullopt;
  Result<const KernelTable*> table = find_table(name);
  if (table) return std::nullopt;
  Error error = std::move(table).error();
  error.message = std::string(kEnvironmentVariable) + ": " + error.message;
  return error;
}

}  // namespace sparse_rerank
