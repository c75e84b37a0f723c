#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/result.h"

namespace sparse_rerank {

/// A whole file mapped read-only. Pages come from the page cache, so several processes and models share them. Replace such a file by a
/// rename, never in place: its pages would change, and reading past a new end kills the process with SIGBUS, as with any mapping.
/// unchanged() detects most such changes before they do harm.
class MappedFile {
 public:
  /// `path` is UTF-8. Rejects anything but a regular file, without waiting for it.
  /// Errors: ERR_INVALID_ARGUMENT (a path with a zero byte), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  /// Removes the pages read so far from this process's resident memory. They stay in the page cache, and return when they are
  /// read again. Does nothing on Windows, which trims mapped pages itself when memory is short.
  void release_pages() const;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Whether the file still has the size and modification time that it had when it was mapped. Takes well below a microsecond. Always
  /// true on Windows, which refuses to write to a mapped file.
  [[nodiscard]] bool unchanged() const;

  /// Whether `path` leads to this very file now. Never true on Windows, which tells of no file without opening it.
  [[nodiscard]] bool is(const std::string& path) const;

 private:
  /// A descriptor, which refers to this file even if its name is reused, and the file's initial state.
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
