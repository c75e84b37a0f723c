// libFuzzer target of the segment reader: scripts/fuzz-index.sh builds and runs it.
//
// Checksums would refuse nearly every input at once, so the harness puts the right ones into it; every fourth input keeps its own.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "index/segment_format.h"
#include "index/segmented_index.h"

namespace sparse_rerank {
namespace {

/// Makes checksums fit, where the input is long enough to have them.
void repair(std::vector<std::uint8_t>& bytes) {
  constexpr std::size_t kEnd = sizeof(SegmentFooter) + sizeof(SegmentTrailer);
  if (bytes.size() < kEnd) return;
  const std::size_t trailer_at = bytes.size() - sizeof(SegmentTrailer);
  const std::size_t footer_at = trailer_at - sizeof(SegmentFooter);
  // As many pages as leave room for their checksums.
  std::size_t pages = 0;
  while (footer_at > pages * (kPageBytes + sizeof(std::uint64_t))) ++pages;
  if (footer_at < pages * sizeof(std::uint64_t)) return;
  SegmentTrailer trailer = {footer_at - pages * sizeof(std::uint64_t), 0, kSegmentVersion, kSegmentMagic};
  const auto all = std::as_bytes(std::span(bytes));
  for (std::size_t page = 0; page < pages; ++page) {
    const std::size_t first = page * kPageBytes;
    if (first >= trailer.tail) return;
    const std::uint64_t checksum = xxh64(all.subspan(first, std::min<std::size_t>(kPageBytes, trailer.tail - first)));
    std::memcpy(bytes.data() + trailer.tail + page * sizeof(checksum), &checksum, sizeof(checksum));
  }
  trailer.checksum = xxh64(all.subspan(trailer.tail, trailer_at - trailer.tail));
  std::memcpy(bytes.data() + trailer_at, &trailer, sizeof(trailer));
}

/// Searches, filters, looks ids up, reads what is stored, and merges, which reads every row.
void use(SegmentedIndex& index) {
  const auto snapshot = index.snapshot();
  const auto dimension = static_cast<std::uint32_t>(index.dimension());
  std::vector<std::uint32_t> terms;
  for (std::uint32_t term = 0; term < std::min(dimension, 40u); ++term) terms.push_back(term);
  std::vector<float> weights(terms.size(), 0.5f);
  SearchScratch scratch;
  std::vector<Hit> hits;
  for (const float first : {1.0f, -1.0f}) {
    weights.front() = first;
    if (snapshot->search({terms, weights}, {5}, snapshot->removed(), scratch, hits, nullptr)) continue;
    for (const Hit& hit : hits) {
      const auto [segment, document] = snapshot->locate(hit.slot);
      (void)snapshot->segments[segment].segment->id(document);
      (void)snapshot->segments[segment].segment->stored(document);
    }
  }
  // The seeds' numbers and strings.
  const std::string bounds = "nu";
  const std::vector<std::uint32_t> bound_offsets = {0, 1, 2};
  const FilterStep step = {FilterOperation::kRanges, 1};
  (void)snapshot->all_but({std::span(&step, 1), {bound_offsets, std::as_bytes(std::span(bounds))}});
  for (const char* id : {"0", "1", "25", "absent"}) (void)snapshot->find(id);
  if (index.stats().documents > 100000) return;
  const std::vector<std::uint32_t> indptr = {0, 0};
  const std::vector<std::uint32_t> offsets = {0, 1};
  if (index.add({{indptr, {}, {}}, {offsets, std::as_bytes(std::span("n", 1))}, {}})) return;
  while (true) {
    const auto step = index.merge_step(true);
    if (!step.ok() || step.value() == MergeStep::kNothing) return;
  }
}

const std::string& scratch_file() {
  static const std::string path = [] {
    std::random_device random;
    return (std::filesystem::temp_directory_path() / ("sparse-rerank-fuzz-" + std::to_string(random()))).string();
  }();
  return path;
}

}  // namespace
}  // namespace sparse_rerank

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sparse_rerank;
  std::vector<std::uint8_t> bytes(data, data + size);
  if (size % 4 != 3) repair(bytes);
  // A new file each time: the one before may be mapped.
  std::filesystem::remove(scratch_file());
  std::ofstream(scratch_file(), std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  const auto index = SegmentedIndex::open(scratch_file(), {std::nullopt, false});
  if (index.ok()) use(*index.value());
  std::filesystem::remove(scratch_file());
  return 0;
}
