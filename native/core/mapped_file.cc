#include "core/mapped_file.h"

#include <utility>

#include "core/platform_string.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#endif

namespace sparse_rerank {

namespace {

Error unreadable(const std::string& path, int code) {
  return {"ERR_FILE_UNREADABLE", "Cannot map " + path + ": " + system_message(code)};
}

#ifdef _WIN32

void unmap(const std::byte* data, std::size_t) {
  UnmapViewOfFile(data);
}

void release(const std::byte*, std::size_t) {}

/// Closes a handle at the end of a scope.
struct Handle {
  HANDLE value;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

#else

void unmap(const std::byte* data, std::size_t size) {
  munmap(const_cast<std::byte*>(data), size);
}

void release(const std::byte* data, std::size_t size) {
  // Only advice: where it is not taken, the pages stay until memory is short.
  static_cast<void>(madvise(const_cast<std::byte*>(data), size, MADV_DONTNEED));
}

#endif

}  // namespace

#ifdef _WIN32

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Handle file{CreateFileW(to_wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                                FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) return unreadable(path, static_cast<int>(GetLastError()));
  LARGE_INTEGER size;
  if (!GetFileSizeEx(file.value, &size)) return unreadable(path, static_cast<int>(GetLastError()));
  if (size.QuadPart == 0) return MappedFile(nullptr, 0);
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (mapping.value == nullptr) return unreadable(path, static_cast<int>(GetLastError()));
  const void* data = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
  if (data == nullptr) return unreadable(path, static_cast<int>(GetLastError()));
  return MappedFile(static_cast<const std::byte*>(data), static_cast<std::size_t>(size.QuadPart));
}

#else

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return unreadable(path, errno);
  struct stat status{};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int code = S_ISREG(status.st_mode) ? errno : EISDIR;
    close(file);
    return unreadable(path, code);
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) {
    close(file);
    return MappedFile(nullptr, 0);
  }
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int code = errno;
  close(file);
  if (data == MAP_FAILED) return unreadable(path, code);
  return MappedFile(static_cast<const std::byte*>(data), size);
}

#endif

void MappedFile::release_pages() const {
  if (data_ != nullptr) release(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) unmap(data_, size_);
}

}  // namespace sparse_rerank
