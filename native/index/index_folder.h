#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/durable_file.h"
#include "core/result.h"
#include "index/manifest.h"
#include "index/snapshot.h"

namespace sparse_rerank {

/// The files of a durable index: segments that never change, and the manifest that says which of them count. What is not in the manifest
/// does not exist, so a crash at any moment leaves the state before a change or after it.
///
/// Only one thread at a time.
class IndexFolder {
 public:
  /// Opens a folder to write. Files that a crash left behind are removed once all that count were opened.
  /// @param create makes a new index, and the folder, where there is none
  /// @param contents set to what the folder holds
  /// Errors: ERR_INDEX_LOCKED, ERR_FILE_NOT_FOUND, ERR_INDEX_CORRUPT, ERR_INDEX_VERSION, ERR_FILE_UNREADABLE, ERR_FILE_UNWRITABLE.
  static Result<IndexFolder> open(const std::string& path, const std::optional<IndexSettings>& create, Snapshot& contents);

  /// What a folder holds, for a reader; a writer may be at work there.
  /// @param known what it held before: files that are still part of it stay open. May be null
  /// Errors: as open(), but for the lock.
  static Result<Snapshot> read(const std::string& path, const Snapshot* known);

  [[nodiscard]] const IndexSettings& settings() const { return manifest_.settings; }

  /// A number that no segment had yet, for a new file.
  [[nodiscard]] std::uint64_t new_number() { return manifest_.next_number++; }
  [[nodiscard]] std::string segment_path(std::uint64_t number) const;

  /// Makes `next` the contents of the folder: its segment files are complete. On disk when it returns.
  /// Errors: ERR_FILE_UNWRITABLE, and the folder holds what it held before. Should even that be unknown, every later call fails as well.
  [[nodiscard]] Status commit(const Snapshot& next);
  /// Removes the file of a segment that commit() has left out. It stays where the contents are unknown.
  void discard(std::uint64_t number) const {
    if (!broken_) remove_file(segment_path(number));
  }

 private:
  IndexFolder(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  void remove_leftovers() const;

  std::string path_;
  FileLock lock_;
  Manifest manifest_;
  bool broken_ = false;
};

}  // namespace sparse_rerank
