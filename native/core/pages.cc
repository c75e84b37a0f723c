#include "core/pages.h"

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace sparse_rerank {

#ifdef __linux__

std::size_t discard_pages(void* data, std::size_t size) {
  static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t begin = (address + page - 1) / page * page;
  const std::uintptr_t end = (address + size) / page * page;
  if (begin >= end) return 0;
  void* const first = static_cast<std::byte*>(data) + (begin - address);
  return madvise(first, end - begin, MADV_DONTNEED) == 0 ? end - begin : 0;
}

#else

std::size_t discard_pages(void*, std::size_t) {
  return 0;
}

#endif

}  // namespace sparse_rerank
