#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/result.h"
#include "index/bitmap.h"
#include "index/segment.h"

namespace sparse_rerank {

/// What the removed documents of a segment take from its statistics. Copies share what does not change.
class RemovedCounts {
 public:
  [[nodiscard]] std::uint32_t documents_with(std::uint32_t ordinal) const {
    const auto& block = blocks_[ordinal / kBlock];
    return block == nullptr ? 0 : (*block)[ordinal % kBlock];
  }
  [[nodiscard]] std::uint64_t total_length() const { return total_length_; }

 private:
  friend class RemovedTerms;
  static constexpr std::size_t kBlock = 1024;
  using Block = std::array<std::uint32_t, kBlock>;

  /// Those that are counted.
  std::shared_ptr<const Bitmap> removed_;
  std::vector<std::shared_ptr<Block>> blocks_;  // by ordinal; null for zeros
  std::uint64_t total_length_ = 0;
};

/// The counts of a segment's removed documents, which are computed when they are first asked for: a change of the index reads nothing of
/// its lexical side, and only what was removed since the last search is read. Any thread.
class RemovedTerms {
 public:
  /// @param segment has a lexical side
  /// @param removed not changed once counts() is called
  /// @param earlier of the same segment with fewer removed documents; may be null
  RemovedTerms(std::shared_ptr<const Segment> segment, std::shared_ptr<const Bitmap> removed, const RemovedTerms* earlier)
      : segment_(std::move(segment)), removed_(std::move(removed)), counts_(earlier == nullptr ? nullptr : earlier->known()) {}

  /// Errors: ERR_INDEX_CORRUPT.
  [[nodiscard]] Result<std::shared_ptr<const RemovedCounts>> counts() const;

 private:
  /// The counts, or those of fewer documents; maybe null.
  [[nodiscard]] std::shared_ptr<const RemovedCounts> known() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

  const std::shared_ptr<const Segment> segment_;
  const std::shared_ptr<const Bitmap> removed_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const RemovedCounts> counts_;
};

}  // namespace sparse_rerank
