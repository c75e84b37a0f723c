#include "core/stored_file.h"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace sparse_rerank {

namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'S', 'R', 'C', 'A', 'C', 'H', 'E', '1'};
constexpr const char* kUnfinished = ".tmp";
/// Nobody writes for so long: the process ended meanwhile.
constexpr auto kAbandoned = std::chrono::hours(24);

/// The payload follows on a cache line.
struct alignas(64) Header {
  char magic[sizeof kMagic];
  std::uint64_t size;
  Digest key;
  Digest payload;
  /// Zero: so that no byte of a file goes unchecked.
  std::uint64_t reserved[2];

  bool operator==(const Header&) const = default;
};
static_assert(sizeof(Header) == 64);

Header make_header(const Digest& key, std::span<const std::byte> payload) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.size = payload.size();
  header.key = key;
  Digester digester;
  digester.add(payload);
  header.payload = digester.digest();
  return header;
}

fs::path to_path(const std::string& utf8) {
  return {std::u8string(utf8.begin(), utf8.end())};
}

fs::path file_of(const std::string& folder, const Digest& key) {
  return to_path(folder) / key.hex();
}

/// A name that nobody else takes: the time, and an address that differs from process to process and thread to thread. Should two collide
/// after all, the file's digest tells.
fs::path unfinished_name(const fs::path& file) {
  const auto time = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  const auto address = reinterpret_cast<std::uintptr_t>(&time);
  fs::path name = file;
  name += ".";
  name += Digest{time, address}.hex();
  name += kUnfinished;
  return name;
}

void remove_abandoned(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() != kUnfinished) continue;
    std::error_code ignored;
    const auto written = fs::last_write_time(entry->path(), ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kAbandoned) fs::remove(entry->path(), ignored);
  }
}

}  // namespace

std::optional<StoredFile> StoredFile::open(const std::string& folder, const Digest& key, std::size_t size) {
  const std::u8string path = file_of(folder, key).u8string();
  auto file = MappedFile::open(std::string(path.begin(), path.end()));
  if (!file || file.value().bytes().size() != sizeof(Header) + size) return std::nullopt;
  StoredFile stored(std::move(file).value());
  Header found;
  std::memcpy(&found, stored.file_.bytes().data(), sizeof found);
  if (found != make_header(key, stored.payload())) return std::nullopt;
  return stored;
}

bool StoredFile::write(const std::string& folder, const Digest& key, std::span<const std::byte> payload) {
  const fs::path file = file_of(folder, key);
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) return false;
  remove_abandoned(file.parent_path());
  const fs::path unfinished = unfinished_name(file);
  const Header header = make_header(key, payload);
  std::ofstream stream(unfinished, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(&header), sizeof header);
  stream.write(reinterpret_cast<const char*>(payload.data()), static_cast<std::streamsize>(payload.size()));
  stream.close();
  if (stream.good()) {
    fs::rename(unfinished, file, error);
    if (!error) return true;
  }
  fs::remove(unfinished, error);
  return false;
}

std::span<const std::byte> StoredFile::payload() const {
  return file_.bytes().subspan(sizeof(Header));
}

}  // namespace sparse_rerank
