#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/bm25.h"

namespace sparse_rerank {

/// Documents of an index, removed ones included until their segment is merged: 32 bits number them all.
inline constexpr std::uint64_t kMaxSlots = std::numeric_limits<std::uint32_t>::max() - std::uint64_t{1};

/// A segment file that belongs to an index.
struct ManifestSegment {
  std::uint64_t number;
  std::uint64_t documents;
  std::uint64_t removed_count;
  /// bitmap_words(documents) when removed_count is not 0, else empty.
  Bitmap removed;
};

/// What a folder's index consists of. Every change of the index is one new manifest in the place of the old.
struct Manifest {
  IndexSettings settings;
  /// No segment file had this number or a larger one; decode() refuses others.
  std::uint64_t next_number = 0;
  /// In insertion order.
  std::vector<ManifestSegment> segments;

  [[nodiscard]] std::vector<std::byte> encode() const;
  /// @param path for messages
  /// Errors: ERR_INDEX_CORRUPT, ERR_INDEX_VERSION.
  static Result<Manifest> decode(std::span<const std::byte> bytes, const std::string& path);
};

}  // namespace sparse_rerank
