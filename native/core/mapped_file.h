#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/result.h"

namespace sparse_rerank {

/// A whole file mapped read-only. Pages come from the page cache, so several processes and models share them. A file that another process
/// truncates while it is mapped kills this one with SIGBUS, as any mapping does: replace weight files by rename, never in place.
class MappedFile {
 public:
  /// `path` is UTF-8.
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

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  std::size_t size_;
};

}  // namespace sparse_rerank
