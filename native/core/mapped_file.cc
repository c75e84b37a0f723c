#include "core/mapped_file.h"

#include <utility>

#include "core/durable_file.h"
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

/// The systems' codes for "no such file" and "no such folder on its path".
#ifdef _WIN32
constexpr int kAbsent[] = {ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND};
#else
constexpr int kAbsent[] = {ENOENT, ENOTDIR};
#endif

Error unreadable(const std::string& path, int code) {
  if (code == kAbsent[0] || code == kAbsent[1]) return {"ERR_FILE_NOT_FOUND", "There is no file " + path + "."};
  return {"ERR_FILE_UNREADABLE", "Cannot map " + path + ": " + system_message(code)};
}

Error not_regular(const std::string& path) {
  return {"ERR_FILE_UNREADABLE", path + " is no regular file but a folder, pipe, socket or device."};
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

/// Of the contents: names, links and permissions may change.
const timespec& change_time(const struct stat& status) {
#ifdef __APPLE__
  return status.st_mtimespec;
#else
  return status.st_mtim;
#endif
}

void release(const std::byte* data, std::size_t size) {
  // Only advice: if it is not followed, the pages stay until memory is short.
  static_cast<void>(madvise(const_cast<std::byte*>(data), size, MADV_DONTNEED));
}

#endif

}  // namespace

#ifdef _WIN32

Result<MappedFile> MappedFile::open(const std::string& path) {
  if (Status error = check_path(path)) return *std::move(error);
  const Handle file{CreateFileW(to_wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                                FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) return unreadable(path, static_cast<int>(GetLastError()));
  if (GetFileType(file.value) != FILE_TYPE_DISK) return not_regular(path);
  LARGE_INTEGER size;
  if (!GetFileSizeEx(file.value, &size)) return unreadable(path, static_cast<int>(GetLastError()));
  if (size.QuadPart == 0) return MappedFile(nullptr, 0, {});
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (mapping.value == nullptr) return unreadable(path, static_cast<int>(GetLastError()));
  const void* data = MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0);
  if (data == nullptr) return unreadable(path, static_cast<int>(GetLastError()));
  return MappedFile(static_cast<const std::byte*>(data), static_cast<std::size_t>(size.QuadPart), {});
}

bool MappedFile::unchanged() const {
  return true;
}

bool MappedFile::is(const std::string&) const {
  return false;
}

#else

Result<MappedFile> MappedFile::open(const std::string& path) {
  if (Status error = check_path(path)) return *std::move(error);
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return errno == ENXIO ? not_regular(path) : unreadable(path, errno);
  MappedFile mapped(nullptr, 0, {file});
  struct stat status{};
  if (fstat(file, &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return not_regular(path);
  const timespec& changed = change_time(status);
  mapped.watch_.seconds = changed.tv_sec;
  mapped.watch_.nanoseconds = changed.tv_nsec;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return mapped;
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) return unreadable(path, errno);
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = size;
  return mapped;
}

bool MappedFile::unchanged() const {
  struct stat status{};
  if (watch_.file < 0 || fstat(watch_.file, &status) != 0) return false;
  const timespec& changed = change_time(status);
  return static_cast<std::size_t>(status.st_size) == size_ && changed.tv_sec == watch_.seconds && changed.tv_nsec == watch_.nanoseconds;
}

bool MappedFile::is(const std::string& path) const {
  struct stat own{};
  struct stat named{};
  if (watch_.file < 0 || fstat(watch_.file, &own) != 0 || stat(path.c_str(), &named) != 0) return false;
  return own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

#endif

void MappedFile::release_pages() const {
  if (data_ != nullptr) release(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), watch_(std::exchange(other.watch_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(watch_, other.watch_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) unmap(data_, size_);
#ifndef _WIN32
  if (watch_.file >= 0) close(watch_.file);
#endif
}

}  // namespace sparse_rerank
