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
constexpr std::uint64_t kVersion = 2;
/// One list of numbers, without sections.
constexpr std::uint64_t kOldestVersion = 1;

/// A section is its kind and its version (upper half), kIgnorable or 0, how many numbers it has, and the numbers.
enum Section : std::uint64_t { kIndex = 1, kSegments = 2, kLexical = 3 };
constexpr std::uint64_t kSectionVersion = 1;
constexpr std::uint64_t kIgnorable = 1;

/// Above any number that segments get in practice; all of them up to here have successors.
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 53;

/// Reads 64-bit numbers; zeros after the end.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t numbers_left() const { return bytes_.size() / sizeof(std::uint64_t); }
  /// The next `count` numbers, which are there.
  [[nodiscard]] Reader take(std::size_t count) {
    const Reader part(bytes_.first(count * sizeof(std::uint64_t)));
    bytes_ = bytes_.subspan(count * sizeof(std::uint64_t));
    return part;
  }
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

/// Reads what follows a manifest's version.
class ManifestReader {
 public:
  ManifestReader(Reader reader, const std::string& path) : reader_(reader), path_(path) {}

  [[nodiscard]] Result<Manifest> read(std::uint64_t version) {
    Status error = version == kOldestVersion ? read_version1() : read_sections();
    if (!error) error = check();
    if (error) return *std::move(error);
    return std::move(manifest_);
  }

 private:
  [[nodiscard]] Status read_version1() {
    read_index(reader_);
    return read_segments(reader_);
  }

  [[nodiscard]] Status read_sections() {
    std::uint64_t seen = 0;
    for (std::uint64_t left = reader_.next(); left > 0; --left) {
      if (reader_.numbers_left() < 3) return damaged(path_, "it ends within its sections");
      const std::uint64_t kind = reader_.next();
      const bool ignorable = (reader_.next() & kIgnorable) != 0;
      const std::uint64_t count = reader_.next();
      if (count > reader_.numbers_left()) return damaged(path_, "it ends within a section");
      Reader section = reader_.take(static_cast<std::size_t>(count));
      const std::uint64_t number = kind & 0xffffffff;
      const bool known = number >= kIndex && number <= kLexical && kind >> 32 == kSectionVersion;
      if (!known) {
        if (ignorable) continue;
        return Error{"ERR_INDEX_VERSION", path_ + " has a section of kind " + std::to_string(number) + ", version " +
                                              std::to_string(kind >> 32) +
                                              ", which this release does not know: use the release that wrote it."};
      }
      if ((seen >> number & 1) != 0) return damaged(path_, "it has two sections of one kind");
      seen |= std::uint64_t{1} << number;
      if (number == kIndex) read_index(section);
      if (number == kLexical) read_lexical(section);
      if (number == kSegments) {
        if (Status error = read_segments(section)) return error;
      }
      if (section.numbers_left() != 0) return damaged(path_, "a section does not end where it says");
    }
    if (reader_.numbers_left() != 0) return damaged(path_, "it does not end after its sections");
    if ((seen >> kIndex & 1) == 0 || (seen >> kSegments & 1) == 0) return damaged(path_, "it lacks a section");
    return std::nullopt;
  }

  void read_index(Reader& from) {
    manifest_.settings.dimension = from.next();
    manifest_.next_number = from.next();
  }
  void read_lexical(Reader& from) {
    const auto k1 = std::bit_cast<double>(from.next());
    manifest_.settings.lexical = Bm25{k1, std::bit_cast<double>(from.next())};
  }

  [[nodiscard]] Status read_segments(Reader& from) {
    std::uint64_t documents = 0;
    for (std::uint64_t left = from.next(); left > 0; --left) {
      if (from.numbers_left() < 3) return damaged(path_, "it ends before its last segment");
      ManifestSegment segment = {from.next(), from.next(), from.next(), {}};
      if (segment.documents > kMaxSlots - documents) return damaged(path_, "its segments have too many documents");
      documents += segment.documents;
      const std::size_t words = segment.removed_count == 0 ? 0 : bitmap_words(segment.documents);
      if (words > from.numbers_left()) return damaged(path_, "it ends within a segment");
      segment.removed.reserve(words);
      std::uint64_t removed = 0;
      for (std::size_t i = 0; i < words; ++i) {
        segment.removed.push_back(from.next());
        removed += static_cast<std::uint64_t>(std::popcount(segment.removed.back()));
      }
      if (removed != segment.removed_count) return damaged(path_, "a segment's removed documents are not as many as it says");
      if (words > 0 && segment.removed.back() >> ((segment.documents - 1) % 64) > 1)
        return damaged(path_, "a document that a segment does not have is removed");
      manifest_.segments.push_back(std::move(segment));
    }
    if (from.numbers_left() != 0) return damaged(path_, "it does not end after its segments");
    return std::nullopt;
  }

  [[nodiscard]] Status check() const {
    const IndexSettings& settings = manifest_.settings;
    if (settings.dimension == 0 || settings.dimension > kMaxDimension) return damaged(path_, "its dimension cannot be");
    if (settings.lexical && !settings.lexical->valid()) return damaged(path_, "its parameters of BM25 cannot be");
    if (manifest_.next_number > kMaxNumber) return damaged(path_, "its next segment number cannot be");
    std::vector<std::uint64_t> taken;
    taken.reserve(manifest_.segments.size());
    for (const ManifestSegment& segment : manifest_.segments) taken.push_back(segment.number);
    std::sort(taken.begin(), taken.end());
    if (std::adjacent_find(taken.begin(), taken.end()) != taken.end()) return damaged(path_, "two segments have one number");
    // A new segment would take the place of this one.
    if (!taken.empty() && taken.back() >= manifest_.next_number) return damaged(path_, "a segment has a number that is still to be given");
    return std::nullopt;
  }

  Reader reader_;
  const std::string& path_;
  Manifest manifest_;
};

}  // namespace

std::vector<std::byte> Manifest::encode() const {
  std::vector<std::uint64_t> numbers = {kMagic, kVersion, settings.lexical ? std::uint64_t{3} : std::uint64_t{2}};
  const auto begin = [&](Section kind, std::uint64_t count) { numbers.insert(numbers.end(), {kind | kSectionVersion << 32, 0, count}); };
  begin(kIndex, 2);
  numbers.insert(numbers.end(), {settings.dimension, next_number});
  if (settings.lexical) {
    begin(kLexical, 2);
    numbers.insert(numbers.end(), {std::bit_cast<std::uint64_t>(settings.lexical->k1), std::bit_cast<std::uint64_t>(settings.lexical->b)});
  }
  std::uint64_t count = 1;
  for (const ManifestSegment& segment : segments) count += 3 + segment.removed.size();
  begin(kSegments, count);
  numbers.push_back(segments.size());
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
  const std::uint64_t version = reader.next();
  if (version < kOldestVersion || version > kVersion) {
    return Error{"ERR_INDEX_VERSION", path + " has format version " + std::to_string(version) + "; this release reads versions " +
                                          std::to_string(kOldestVersion) + " to " + std::to_string(kVersion) +
                                          ": build the index again, or use the release that wrote it."};
  }
  std::uint64_t checksum = 0;
  const std::size_t size = bytes.size() - sizeof(checksum);
  std::memcpy(&checksum, bytes.data() + size, sizeof(checksum));
  if (bytes.size() % sizeof(checksum) != 0 || reader.numbers_left() == 0 || xxh64(bytes.first(size)) != checksum) {
    return damaged(path, "it does not have the checksum that it states");
  }
  return ManifestReader(reader.take(reader.numbers_left() - 1), path).read(version);
}

}  // namespace sparse_rerank
