#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/digest.h"
#include "core/mapped_file.h"

namespace sparse_rerank {

/// A file of a cache: derived bytes under a key, checked when they are read. Nothing here is an error: what cannot be read or written is
/// computed again. Any number of threads and processes may read and write one file; it appears by a rename, whole.
class StoredFile {
 public:
  /// The file of `key` in `folder` if it is there and undamaged, with a payload of `size` bytes.
  static std::optional<StoredFile> open(const std::string& folder, const Digest& key, std::size_t size);

  /// Writes it; false where the folder cannot be made or written. `folder` is UTF-8.
  static bool write(const std::string& folder, const Digest& key, std::span<const std::byte> payload);

  /// Aligned to 64 bytes; mapped, so processes share them.
  [[nodiscard]] std::span<const std::byte> payload() const;

 private:
  explicit StoredFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
};

}  // namespace sparse_rerank
