#include "index/segment_sink.h"

#include <algorithm>
#include <utility>

#include "core/checksum.h"
#include "index/segment_footer.h"

namespace sparse_rerank {

namespace {

template <typename T>
void append(std::vector<std::byte>& to, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

Status MemorySink::write(std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
  return std::nullopt;
}

Status MemorySink::finish(const SegmentFooter& footer) {
  bytes.shrink_to_fit();
  return amend(footer);
}

Status MemorySink::amend(const SegmentFooter& footer) {
  footer_ = footer;
  return std::nullopt;
}

FileSink::FileSink(FileWriter file) : file_(std::move(file)) {
  page_.reserve(kPageBytes);
}

Status FileSink::end_page() {
  checksums_.push_back(xxh64(page_));
  if (Status error = file_.write(page_)) return error;
  page_.clear();
  return std::nullopt;
}

Status FileSink::begin_pages() {
  return page_.empty() ? std::nullopt : end_page();
}

Status FileSink::write(std::span<const std::byte> bytes) {
  position_ += bytes.size();
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPageBytes - page_.size()));
    page_.insert(page_.end(), part.begin(), part.end());
    bytes = bytes.subspan(part.size());
    if (page_.size() < kPageBytes) return std::nullopt;
    if (Status error = end_page()) return error;
  }
  return std::nullopt;
}

Status FileSink::finish(const SegmentFooter& footer) {
  contents_ = position();
  if (!page_.empty()) {
    if (Status error = end_page()) return error;
  }
  footer_ = footer;
  if (Status error = file_.write(tail(footer))) return error;
  return file_.finish();
}

Status FileSink::amend(const SegmentFooter& footer) {
  footer_ = footer;
  Result<FileWriter> file = FileWriter::overwrite(file_.path(), contents_);
  if (!file) return file.error();
  if (Status error = file.value().write(tail(footer))) return error;
  return file.value().finish();
}

std::vector<std::byte> FileSink::tail(const SegmentFooter& footer) const {
  std::vector<std::byte> bytes;
  append(bytes, std::span<const std::uint64_t>(checksums_));
  const std::vector<std::byte> encoded = encode_footer(footer, contents_ + bytes.size());
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  const SegmentTrailer trailer = {contents_, xxh64(bytes), kSegmentVersion, kSegmentMagic};
  append(bytes, std::span(&trailer, 1));
  return bytes;
}

}  // namespace sparse_rerank
