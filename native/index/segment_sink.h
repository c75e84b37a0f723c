#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/durable_file.h"
#include "core/result.h"
#include "index/segment_format.h"

namespace sparse_rerank {

/// Where the bytes of a segment go, in order.
class SegmentSink {
 public:
  SegmentSink() = default;
  SegmentSink(const SegmentSink&) = delete;
  SegmentSink& operator=(const SegmentSink&) = delete;
  virtual ~SegmentSink() = default;

  /// Bytes so far.
  [[nodiscard]] virtual std::uint64_t position() const = 0;
  [[nodiscard]] virtual Status write(std::span<const std::byte> bytes) = 0;
  /// What follows lies in pages of its own. The position is a multiple of 8; once for a segment.
  [[nodiscard]] virtual Status begin_pages() = 0;
  [[nodiscard]] virtual Status finish(const SegmentFooter& footer) = 0;
  /// Replaces the footer after finish().
  [[nodiscard]] virtual Status amend(const SegmentFooter& footer) = 0;
  [[nodiscard]] const SegmentFooter& footer() const { return footer_; }

 protected:
  SegmentFooter footer_{};
};

/// Keeps the bytes.
class MemorySink final : public SegmentSink {
 public:
  [[nodiscard]] std::uint64_t position() const override { return bytes.size(); }
  [[nodiscard]] Status write(std::span<const std::byte> more) override;
  [[nodiscard]] Status begin_pages() override { return std::nullopt; }
  [[nodiscard]] Status finish(const SegmentFooter& footer) override;
  [[nodiscard]] Status amend(const SegmentFooter& footer) override;

  std::vector<std::byte> bytes;
};

/// Writes a file with its checksums. It is removed when finish() was not reached. Errors: ERR_FILE_UNWRITABLE.
class FileSink final : public SegmentSink {
 public:
  explicit FileSink(FileWriter file);
  [[nodiscard]] std::uint64_t position() const override { return position_; }
  [[nodiscard]] Status write(std::span<const std::byte> bytes) override;
  [[nodiscard]] Status begin_pages() override;
  /// The contents are on disk when it returns.
  [[nodiscard]] Status finish(const SegmentFooter& footer) override;
  /// On disk when it returns. A crash meanwhile may leave a file that Segment::open() refuses; an error leaves none.
  [[nodiscard]] Status amend(const SegmentFooter& footer) override;

 private:
  [[nodiscard]] Status end_page();
  /// What follows the regions.
  [[nodiscard]] std::vector<std::byte> tail(const SegmentFooter& footer) const;

  FileWriter file_;
  std::uint64_t position_ = 0;
  std::vector<std::byte> page_;
  std::vector<std::uint64_t> checksums_;  // of the pages that were written
  std::uint64_t contents_ = 0;            // bytes of the regions, once finished
};

}  // namespace sparse_rerank
