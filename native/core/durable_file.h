#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"

/// Files whose contents survive a crash of the machine. Paths are UTF-8. Errors are ERR_FILE_UNWRITABLE unless a comment says otherwise;
/// the message names the path and the system's reason (a full disk, missing permissions).
namespace sparse_rerank {

/// A new file written from start to end. Without finish(), nothing of it is kept.
class FileWriter {
 public:
  /// Replaces a file of that name left by a crash; whoever has the old one open keeps it. Errors also: ERR_INVALID_ARGUMENT.
  static Result<FileWriter> create(const std::string& path);
  /// Overwrites an existing file from `offset` on and keeps the bytes before. Without finish(), nothing of the file is kept.
  static Result<FileWriter> overwrite(const std::string& path, std::uint64_t offset);

  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  /// Removes the file unless finish() succeeded.
  ~FileWriter();

  [[nodiscard]] Status write(std::span<const std::byte> bytes);
  /// When it returns, the contents are on disk; the name is not: see sync_directory().
  [[nodiscard]] Status finish();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  FileWriter(std::string path, std::intptr_t file) : path_(std::move(path)), file_(file) {}
  void close();

  std::string path_;
  std::intptr_t file_;  // a descriptor, or a handle on Windows; -1 when closed
  bool finished_ = false;
};

/// Rejects paths with a zero byte, where the system would cut them. Errors: ERR_INVALID_ARGUMENT.
[[nodiscard]] Status check_path(const std::string& path);
/// Rejects files whose opening may block forever (a pipe) or that never end (a device).
/// Errors: ERR_INVALID_ARGUMENT, ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE.
[[nodiscard]] Status require_regular_file(const std::string& path);
/// When it returns, names created, changed or removed in the folder are on disk. (Windows keeps them with the file.)
[[nodiscard]] Status sync_directory(const std::string& path);
/// Replaces `to` atomically.
[[nodiscard]] Status rename_file(const std::string& from, const std::string& to);
/// Ignores failures: for files that are no longer needed.
void remove_file(const std::string& path);
/// Creates one folder, whose parent exists; succeeds if it already exists.
[[nodiscard]] Status make_directory(const std::string& path);
/// The folder that holds `path`.
[[nodiscard]] std::string parent_directory(const std::string& path);
/// Names of the files in a folder. Errors: ERR_FILE_UNREADABLE.
[[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path);
[[nodiscard]] bool is_directory(const std::string& path);
[[nodiscard]] bool file_exists(const std::string& path);

/// Reserves a folder for one process at a time. The system releases the lock when the process ends, however it ends.
class FileLock {
 public:
  /// Errors: ERR_INDEX_LOCKED (held by this process or another); ERR_FILE_UNWRITABLE.
  static Result<FileLock> acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(std::intptr_t file) : file_(file) {}
  std::intptr_t file_;
};

}  // namespace sparse_rerank
