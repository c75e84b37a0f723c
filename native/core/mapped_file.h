#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/result.h"

namespace sparse_rerank {

/// A whole file mapped read-only. Pages come from the page cache, so several processes and models share them. Replace such a file by a
/// rename, never in place: its pages would change, and reading one beyond a new end kills the process with SIGBUS, as with any mapping.
/// unchanged() finds most of that before it harms.
class MappedFile {
 public:
  /// `path` is UTF-8. What is no regular file is refused without waiting for it.
  /// Errors: ERR_INVALID_ARGUMENT for a path with a zero byte, ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  /// Takes the pages that were read so far out of this process's resident memory. They stay in the page cache, and come back when they are
  /// read again. Does nothing on Windows, which trims mapped pages itself when memory is short.
  void release_pages() const;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Whether the file has the size and the time of its last change that it had when it was mapped. Takes well below a microsecond. Always
  /// true on Windows, which refuses to write to a mapped file.
  [[nodiscard]] bool unchanged() const;

 private:
  /// A descriptor, which tells of this file whatever its name leads to meanwhile, and what it told at first.
  struct Watch {
    int file = -1;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
  };
  MappedFile(const std::byte* data, std::size_t size, Watch watch) : data_(data), size_(size), watch_(watch) {}
  const std::byte* data_;
  std::size_t size_;
  Watch watch_;
};

}  // namespace sparse_rerank
