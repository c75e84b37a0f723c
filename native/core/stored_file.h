#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/digest.h"
#include "core/mapped_file.h"

namespace sparse_rerank {

/// A cache file: derived bytes under a key, verified when read. Nothing here is an error: what cannot be read or written is
/// recomputed. Any number of threads and processes may read and write the same file; a rename makes it appear whole.
class StoredFile {
 public:
  /// Opens the file of `key` in `folder` if it exists undamaged with a payload of `size` bytes.
  static std::optional<StoredFile> open(const std::string& folder, const Digest& key, std::size_t size);

  /// Writes the file; returns false if the folder cannot be created or written. `folder` is UTF-8.
  static bool write(const std::string& folder, const Digest& key, std::span<const std::byte> payload);

  /// Aligned to 64 bytes; mapped, so processes share it.
  [[nodiscard]] std::span<const std::byte> payload() const;

 private:
  explicit StoredFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
};

}  // namespace sparse_rerank
