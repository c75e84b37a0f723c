#include "core/stored_file.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "core/platform_string.h"
#include "core/temporary_name.h"

namespace sparse_rerank {

namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'S', 'R', 'C', 'A', 'C', 'H', 'E', '1'};

/// The payload starts at the next cache line.
struct alignas(64) Header {
  char magic[sizeof kMagic];
  std::uint64_t size;
  Digest key;
  Digest payload;
  /// Zero, so that every byte of a file is checked.
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

fs::path file_of(const std::string& folder, const Digest& key) {
  return to_path(folder) / key.hex();
}

}  // namespace

std::optional<StoredFile> StoredFile::open(const std::string& folder, const Digest& key, std::size_t size) {
  auto file = MappedFile::open(to_utf8(file_of(folder, key)));
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
  remove_abandoned(folder, "");
  const fs::path unfinished = to_path(temporary_name(to_utf8(file)));
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
