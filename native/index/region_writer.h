#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/result.h"
#include "index/segment_format.h"
#include "index/segment_sink.h"

namespace sparse_rerank {

/// Writes regions one after the other and notes where they lie. Errors: those of the sink.
class RegionWriter {
 public:
  /// @param sink, footer outlive the writer
  RegionWriter(SegmentSink& sink, SegmentFooter& footer) : sink_(sink), footer_(footer) {}

  [[nodiscard]] std::uint64_t position() const { return sink_.position(); }
  /// Bytes of the region so far.
  [[nodiscard]] std::uint64_t written(Region region) const { return sink_.position() - footer_.regions[region].offset; }

  [[nodiscard]] Status begin(Region region);
  /// Pages of checksums begin anew with the region, so that they hold nothing of those before it.
  [[nodiscard]] Status begin_pages(Region region);
  [[nodiscard]] Status end(Region region, std::size_t padding = 0);
  template <typename T>
  [[nodiscard]] Status put(std::span<const T> values) {
    return sink_.write(std::as_bytes(values));
  }
  template <typename T>
  [[nodiscard]] Status put_region(Region region, std::span<const T> values) {
    if (Status error = begin(region)) return error;
    if (Status error = put(values)) return error;
    return end(region);
  }
  /// The terms of a row, with 32 bits if `wide` and 16 otherwise.
  [[nodiscard]] Status put_terms(std::span<const std::uint32_t> terms, bool wide);
  /// Zeros up to a multiple of 8.
  [[nodiscard]] Status align();

 private:
  SegmentSink& sink_;
  SegmentFooter& footer_;
  std::vector<std::uint16_t> narrow_;  // of put_terms()
};

/// Documents that one step of a writer looks at.
inline constexpr std::uint32_t kStepDocuments = kChunkDocuments;

inline constexpr std::size_t kRegionAlignment = 8;

constexpr std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + (kRegionAlignment - 1)) / kRegionAlignment * kRegionAlignment;
}

/// Documents of the chunk that begins at `first`: as many as have room.
/// @param offsets [documents + 1]: how many weights come before each document
inline Chunk next_chunk(std::uint32_t first, std::span<const std::uint64_t> offsets) {
  const auto documents = static_cast<std::uint32_t>(offsets.size() - 1);
  Chunk chunk = {first, 0};
  while (chunk.documents < kChunkDocuments && first + chunk.documents < documents) {
    const std::uint32_t more = std::min(kGroupDocuments, documents - first - chunk.documents);
    const std::uint64_t weights = offsets[std::size_t{first} + chunk.documents + more] - offsets[first];
    if (chunk.documents > 0 && weights > kChunkPostings) break;
    chunk.documents += more;
  }
  return chunk;
}

/// Chooses the form of a list, which has its count, and its place. Returns its bytes.
inline std::uint64_t place_list(PostingEntry& entry, std::uint64_t offset, const Chunk& chunk) {
  entry.offset = offset;
  entry.masked = entry.count * std::uint64_t{kMaskedShare} >= chunk.documents ? 1 : 0;
  const std::uint64_t places =
      entry.masked != 0 ? std::uint64_t{groups_of(chunk.documents)} * sizeof(std::uint64_t) : std::uint64_t{entry.count} * 2;
  return aligned(places + entry.count);
}

/// ceil(weight * 255 / largest) for 0 < weight <= largest. @param inverse 255 / largest
inline std::uint8_t quantised(double weight, double inverse) {
  const double level = weight * inverse;
  auto rounded = static_cast<std::uint32_t>(level);
  if (rounded < level) ++rounded;
  return static_cast<std::uint8_t>(std::clamp<std::uint32_t>(rounded, 1, kWeightLevels));
}

/// Writes posting number `place` of a list whose bytes were zeros.
/// @param slot the document, counted in the chunk
inline void put_posting(std::byte* list, const PostingEntry& entry, const Chunk& chunk, std::uint32_t place, std::uint16_t slot,
                        std::uint8_t weight) {
  std::size_t weights;
  if (entry.masked != 0) {
    // Little-endian: bit j of the mask of group g is bit j % 8 of byte 8 * g + j / 8, and so of byte slot / 8.
    list[slot / 8] |= static_cast<std::byte>(1u << (slot % 8));
    weights = groups_of(chunk.documents) * sizeof(std::uint64_t);
  } else {
    std::memcpy(list + place * sizeof(slot), &slot, sizeof(slot));
    weights = entry.count * sizeof(slot);
  }
  list[weights + place] = static_cast<std::byte>(weight);
}

}  // namespace sparse_rerank
