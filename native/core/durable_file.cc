#include "core/durable_file.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "core/platform_string.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#endif

namespace sparse_rerank {

namespace {

constexpr std::intptr_t kClosed = -1;

Error unwritable(const std::string& what, const std::string& path, int code) {
  return {"ERR_FILE_UNWRITABLE", "Cannot " + what + " " + path + ": " + system_message(code)};
}

Error locked(const std::string& path) {
  return {"ERR_INDEX_LOCKED", "Another writer has the index open (" + path + "); close it first, or open the index with readOnly."};
}

#ifdef _WIN32

int last_error() {
  return static_cast<int>(GetLastError());
}

HANDLE as_handle(std::intptr_t file) {
  return reinterpret_cast<HANDLE>(file);
}

std::intptr_t open_to_write(const std::string& path, DWORD disposition, DWORD share) {
  return reinterpret_cast<std::intptr_t>(
      CreateFileW(to_wide(path).c_str(), GENERIC_WRITE, share, nullptr, disposition, FILE_ATTRIBUTE_NORMAL, nullptr));
}

std::intptr_t create_file(const std::string& path) {
  return open_to_write(path, CREATE_NEW, FILE_SHARE_READ | FILE_SHARE_DELETE);
}

std::intptr_t open_existing_file(const std::string& path) {
  return open_to_write(path, OPEN_EXISTING, FILE_SHARE_READ | FILE_SHARE_DELETE);
}

bool seek_to(std::intptr_t file, std::uint64_t offset) {
  LARGE_INTEGER distance;
  distance.QuadPart = static_cast<LONGLONG>(offset);
  return SetFilePointerEx(as_handle(file), distance, nullptr, FILE_BEGIN) != 0;
}

void close_file(std::intptr_t file) {
  CloseHandle(as_handle(file));
}

/// The number of bytes written, or -1.
std::ptrdiff_t write_some(std::intptr_t file, std::span<const std::byte> bytes) {
  DWORD written = 0;
  const auto size = static_cast<DWORD>(bytes.size() < (std::size_t{1} << 30) ? bytes.size() : std::size_t{1} << 30);
  return WriteFile(as_handle(file), bytes.data(), size, &written, nullptr) != 0 ? static_cast<std::ptrdiff_t>(written) : -1;
}

bool sync_file(std::intptr_t file) {
  return FlushFileBuffers(as_handle(file)) != 0;
}

#else

int last_error() {
  return errno;
}

std::intptr_t create_file(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

std::intptr_t open_existing_file(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

bool seek_to(std::intptr_t file, std::uint64_t offset) {
  return ::lseek(static_cast<int>(file), static_cast<off_t>(offset), SEEK_SET) >= 0;
}

void close_file(std::intptr_t file) {
  ::close(static_cast<int>(file));
}

std::ptrdiff_t write_some(std::intptr_t file, std::span<const std::byte> bytes) {
  std::ptrdiff_t written;
  do {
    // Linux writes at most 2 GiB per call.
    written = ::write(static_cast<int>(file), bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
  } while (written < 0 && errno == EINTR);
  return written;
}

bool sync_file(std::intptr_t file) {
#ifdef __APPLE__
  // fsync leaves the data in the drive's cache on macOS.
  if (::fcntl(static_cast<int>(file), F_FULLFSYNC) == 0) return true;
#endif
  return ::fsync(static_cast<int>(file)) == 0;
}

#endif

}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path) {
  if (Status error = check_path(path)) return *std::move(error);
  // Never overwritten: another process may have it mapped, and a link would lead elsewhere.
  remove_file(path);
  const std::intptr_t file = create_file(path);
  if (file == kClosed) return unwritable("create", path, last_error());
  return FileWriter(path, file);
}

Result<FileWriter> FileWriter::overwrite(const std::string& path, std::uint64_t offset) {
  const std::intptr_t file = open_existing_file(path);
  if (file == kClosed) return unwritable("open", path, last_error());
  FileWriter writer(path, file);
  if (!seek_to(file, offset)) return unwritable("write", path, last_error());
  return writer;
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, kClosed)), finished_(std::exchange(other.finished_, true)) {}

FileWriter::~FileWriter() {
  close();
  if (!finished_) remove_file(path_);
}

void FileWriter::close() {
  if (file_ != kClosed) close_file(std::exchange(file_, kClosed));
}

Status FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::ptrdiff_t written = write_some(file_, bytes);
    if (written < 0) return unwritable("write", path_, last_error());
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return std::nullopt;
}

Status FileWriter::finish() {
  if (!sync_file(file_)) return unwritable("write", path_, last_error());
  close();
  finished_ = true;
  return std::nullopt;
}

#ifdef _WIN32

Status sync_directory(const std::string&) {
  return std::nullopt;
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  const std::intptr_t file = open_to_write(path, OPEN_ALWAYS, 0);
  if (file != kClosed) return FileLock(file);
  if (GetLastError() == ERROR_SHARING_VIOLATION) return locked(path);
  return unwritable("open", path, last_error());
}

#else

Status sync_directory(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return unwritable("open the folder", path, errno);
  const bool synced = ::fsync(folder) == 0;
  const int code = errno;
  ::close(folder);
  if (!synced) return unwritable("sync the folder", path, code);
  return std::nullopt;
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file < 0) return unwritable("open", path, errno);
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return FileLock(file);
  const int code = errno;
  ::close(file);
  if (code == EWOULDBLOCK) return locked(path);
  return unwritable("lock", path, code);
}

#endif

Status check_path(const std::string& path) {
  if (path.find('\0') == std::string::npos) return std::nullopt;
  return Error{"ERR_INVALID_ARGUMENT", "The path " + path.substr(0, path.find('\0')) + "… has a zero byte; no system has such names."};
}

Status require_regular_file(const std::string& path) {
  if (Status error = check_path(path)) return error;
  std::error_code code;
  const auto type = std::filesystem::status(to_path(path), code).type();
  if (type == std::filesystem::file_type::regular) return std::nullopt;
  if (type == std::filesystem::file_type::not_found) return Error{"ERR_FILE_NOT_FOUND", "There is no file " + path + "."};
  return Error{"ERR_FILE_UNREADABLE", path + (code ? " cannot be read: " + system_message(code.value())
                                                   : " is no regular file but a folder, pipe, socket or device.")};
}

Status rename_file(const std::string& from, const std::string& to) {
  std::error_code code;
  std::filesystem::rename(to_path(from), to_path(to), code);
  if (code) return unwritable("rename " + from + " to", to, code.value());
  return std::nullopt;
}

void remove_file(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(to_path(path), ignored);
}

Status make_directory(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directory(to_path(path), code);
  if (code) return unwritable("create the folder", path, code.value());
  return std::nullopt;
}

std::string parent_directory(const std::string& path) {
  std::error_code ignored;
  return to_utf8(std::filesystem::absolute(to_path(path), ignored).parent_path());
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code code;
  for (auto entry = std::filesystem::directory_iterator(to_path(path), code); !code && entry != std::filesystem::directory_iterator();
       entry.increment(code)) {
    names.push_back(to_utf8(entry->path().filename()));
  }
  if (code) return Error{"ERR_FILE_UNREADABLE", "Cannot read the folder " + path + ": " + system_message(code.value())};
  return names;
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(to_path(path), ignored);
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(to_path(path), ignored);
}

FileLock::FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, kClosed)) {}

FileLock::~FileLock() {
  if (file_ != kClosed) close_file(file_);
}

}  // namespace sparse_rerank
