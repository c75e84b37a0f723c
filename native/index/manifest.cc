#include "index/manifest.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checksum.h"
#include "index/sparse_rows.h"

namespace sparse_rerank {

namespace {

/// "SPRKMAN\0" in memory order.
constexpr std::uint64_t kMagic = 0x004E414D4B525053;
constexpr std::uint64_t kVersion = 1;

/// Above any number that segments get in practice; all of them up to here have successors.
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 53;

/// Reads 64-bit numbers; zeros after the end.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t numbers_left() const { return bytes_.size() / sizeof(std::uint64_t); }
  std::uint64_t next() {
    std::uint64_t number = 0;
    if (numbers_left() == 0) return number;
    std::memcpy(&number, bytes_.data(), sizeof(number));
    bytes_ = bytes_.subspan(sizeof(number));
    return number;
  }

 private:
  std::span<const std::byte> bytes_;
};

Error damaged(const std::string& path, const char* what) {
  return {"ERR_INDEX_CORRUPT", path + " is damaged: " + what + "; restore the folder from a copy, or build the index again."};
}

}  // namespace

std::vector<std::byte> Manifest::encode() const {
  std::vector<std::uint64_t> numbers = {kMagic, kVersion, dimension, next_number, segments.size()};
  for (const ManifestSegment& segment : segments) {
    numbers.insert(numbers.end(), {segment.number, segment.documents, segment.removed_count});
    numbers.insert(numbers.end(), segment.removed.begin(), segment.removed.end());
  }
  numbers.push_back(xxh64(std::as_bytes(std::span(numbers))));
  const auto bytes = std::as_bytes(std::span(numbers));
  return {bytes.begin(), bytes.end()};
}

Result<Manifest> Manifest::decode(std::span<const std::byte> bytes, const std::string& path) {
  Reader reader(bytes);
  if (reader.next() != kMagic) return damaged(path, "it does not begin as a manifest does");
  if (reader.numbers_left() == 0) return damaged(path, "it ends before its version");
  if (const std::uint64_t version = reader.next(); version != kVersion) {
    return Error{"ERR_INDEX_VERSION", path + " has format version " + std::to_string(version) + "; this release reads version " +
                                          std::to_string(kVersion) + ": build the index again, or use the release that wrote it."};
  }
  std::uint64_t checksum = 0;
  const std::size_t size = bytes.size() - sizeof(checksum);
  std::memcpy(&checksum, bytes.data() + size, sizeof(checksum));
  if (bytes.size() % sizeof(checksum) != 0 || xxh64(bytes.first(size)) != checksum) {
    return damaged(path, "it does not have the checksum that it states");
  }
  Manifest manifest;
  manifest.dimension = reader.next();
  manifest.next_number = reader.next();
  if (manifest.dimension == 0 || manifest.dimension > kMaxDimension) return damaged(path, "its dimension cannot be");
  if (manifest.next_number > kMaxNumber) return damaged(path, "its next segment number cannot be");
  std::uint64_t documents = 0;
  for (std::uint64_t left = reader.next(); left > 0; --left) {
    ManifestSegment segment = {reader.next(), reader.next(), reader.next(), {}};
    // A new segment would take the place of this one.
    if (segment.number >= manifest.next_number) return damaged(path, "a segment has a number that is still to be given");
    if (segment.documents > kMaxSlots - documents) return damaged(path, "its segments have too many documents");
    documents += segment.documents;
    const std::size_t words = segment.removed_count == 0 ? 0 : bitmap_words(segment.documents);
    // The checksum itself is the last number.
    if (words >= reader.numbers_left()) return damaged(path, "it ends within a segment");
    segment.removed.reserve(words);
    std::uint64_t removed = 0;
    for (std::size_t i = 0; i < words; ++i) {
      segment.removed.push_back(reader.next());
      removed += static_cast<std::uint64_t>(std::popcount(segment.removed.back()));
    }
    if (removed != segment.removed_count) return damaged(path, "a segment's removed documents are not as many as it says");
    if (words > 0 && segment.removed.back() >> ((segment.documents - 1) % 64) > 1)
      return damaged(path, "a document that a segment does not have is removed");
    manifest.segments.push_back(std::move(segment));
  }
  if (reader.numbers_left() != 1) return damaged(path, "it does not end after its segments");
  std::vector<std::uint64_t> taken;
  taken.reserve(manifest.segments.size());
  for (const ManifestSegment& segment : manifest.segments) taken.push_back(segment.number);
  std::sort(taken.begin(), taken.end());
  if (std::adjacent_find(taken.begin(), taken.end()) != taken.end()) return damaged(path, "two segments have one number");
  return manifest;
}

}  // namespace sparse_rerank
