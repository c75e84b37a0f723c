#include "gpu.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

namespace simulated_gpu {

namespace {

std::size_t bytes_from(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Settings {
  std::size_t total = bytes_from("SIMULATED_GPU_MEMORY", 80'000'000'000);
  int major = 9;
  int minor = 0;

  Settings() {
    const char* capability = std::getenv("SIMULATED_GPU_CAPABILITY");
    if (capability != nullptr) std::sscanf(capability, "%d.%d", &major, &minor);
  }
};

const Settings& settings() {
  static const Settings settings;
  return settings;
}

/// Bytes that other processes hold at the moment.
std::size_t in_use() {
  const char* text = std::getenv("SIMULATED_GPU_IN_USE");
  if (text == nullptr) return 0;
  std::ifstream file(text);
  std::size_t bytes = 0;
  if (!(file >> bytes)) bytes = std::strtoull(text, nullptr, 10);
  return bytes;
}

struct Block {
  Memory memory{};
  std::size_t bytes = 0;
  /// The location of the contents: the address itself for host memory, another one for GPU memory.
  std::byte* contents = nullptr;
};

/// Never destroyed, since other threads may still run when the process ends.
struct Books {
  std::mutex mutex;
  std::map<std::uintptr_t, Block> blocks;
  std::size_t used = 0;
  std::size_t peak = 0;
};

Books& books() {
  static auto* const books = [] {
    std::atexit([] { trace("peak bytes=%zu", simulated_gpu::books().peak); });
    return new Books;
  }();
  return *books;
}

/// Requires the mutex.
std::size_t available() {
  const std::size_t taken = in_use() + books().used;
  return taken < settings().total ? settings().total - taken : 0;
}

/// The block that contains an address, or null. Requires the mutex.
const std::pair<const std::uintptr_t, Block>* find_block(const void* address) {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  auto next = books().blocks.upper_bound(number);
  if (next == books().blocks.begin()) return nullptr;
  --next;
  return number - next->first < next->second.bytes ? &*next : nullptr;
}

/// Reserves address space only: pages are allocated when written to, so a large GPU costs nothing.
void* map_pages(std::size_t bytes, int protection) {
  void* const address = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address == MAP_FAILED ? nullptr : address;
}

/// The readable and writable memory of a range, or null if it exceeds its allocation.
std::byte* contents_of(const void* address, std::size_t bytes) {
  const std::lock_guard lock(books().mutex);
  const auto* const found = find_block(address);
  if (found == nullptr) return static_cast<std::byte*>(const_cast<void*>(address));
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(address) - found->first;
  return bytes > found->second.bytes - offset ? nullptr : found->second.contents + offset;
}

int trace_file() {
  static const int file = [] {
    const char* path = std::getenv("SIMULATED_GPU_TRACE");
    return path == nullptr ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }();
  return file;
}

}  // namespace

std::size_t total_bytes() {
  return settings().total;
}

std::size_t free_bytes() {
  const std::lock_guard lock(books().mutex);
  return available();
}

int capability_major() {
  return settings().major;
}
int capability_minor() {
  return settings().minor;
}

int allocate(Memory memory, std::size_t bytes, void** address) {
  *address = nullptr;
  const bool on_device = memory == Memory::kDevice;
  const std::size_t mapped = std::max<std::size_t>(bytes, 1);
  const std::lock_guard lock(books().mutex);
  if (on_device && bytes > available()) {
    trace("refused bytes=%zu used=%zu", bytes, books().used);
    return kOutOfMemory;
  }
  void* const contents = map_pages(mapped, PROT_READ | PROT_WRITE);
  void* const place = on_device ? map_pages(mapped, PROT_NONE) : contents;
  if (contents == nullptr || place == nullptr) return kOutOfMemory;
  books().blocks[reinterpret_cast<std::uintptr_t>(place)] = {memory, mapped, static_cast<std::byte*>(contents)};
  *address = place;
  if (!on_device) {
    trace("pin bytes=%zu", bytes);
    return kSuccess;
  }
  books().used += mapped;
  books().peak = std::max(books().peak, books().used);
  trace("malloc bytes=%zu used=%zu", bytes, books().used);
  return kSuccess;
}

int release(Memory memory, void* address) {
  if (address == nullptr) return kSuccess;
  const std::lock_guard lock(books().mutex);
  const auto found = books().blocks.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == books().blocks.end() || found->second.memory != memory) return kInvalidValue;
  const Block block = found->second;
  books().blocks.erase(found);
  munmap(block.contents, block.bytes);
  if (memory == Memory::kDevice) {
    munmap(address, block.bytes);
    books().used -= block.bytes;
    trace("free bytes=%zu used=%zu", block.bytes, books().used);
  } else {
    trace("unpin bytes=%zu", block.bytes);
  }
  return kSuccess;
}

Memory memory_of(const void* address) {
  const std::lock_guard lock(books().mutex);
  const auto* const found = find_block(address);
  return found == nullptr ? Memory::kPageable : found->second.memory;
}

const char* memory_name(const void* address) {
  switch (memory_of(address)) {
    case Memory::kDevice:
      return "device";
    case Memory::kPinned:
      return "pinned";
    default:
      return "pageable";
  }
}

int copy_now(void* to, const void* from, std::size_t bytes) {
  std::byte* const target = contents_of(to, bytes);
  const std::byte* const source = contents_of(from, bytes);
  if (target == nullptr || source == nullptr) return kInvalidValue;
  std::memmove(target, source, bytes);
  return kSuccess;
}

int fill_now(void* to, int value, std::size_t bytes) {
  std::byte* const target = contents_of(to, bytes);
  if (target == nullptr) return kInvalidValue;
  std::memset(target, value, bytes);
  return kSuccess;
}

bool tracing() {
  return trace_file() >= 0;
}

void trace(const char* format, ...) {
  if (!tracing()) return;
  std::va_list arguments;
  va_start(arguments, format);
  std::va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::vector<char> line(static_cast<std::size_t>(length) + 1);
  std::vsnprintf(line.data(), line.size(), format, again);
  va_end(again);
  line.back() = '\n';
  // A single write, so that lines of several threads and of the test itself are not interleaved.
  static_cast<void>(!write(trace_file(), line.data(), line.size()));
}

int unsupported(const char* name, int error) {
  trace("unsupported name=%s", name);
  return error;
}

}  // namespace simulated_gpu
