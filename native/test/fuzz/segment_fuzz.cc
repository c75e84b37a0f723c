// libFuzzer target for the segment reader; scripts/fuzz-index.sh builds and runs it.
//
// Checksums would reject nearly every input, so the harness corrects them; every fourth input keeps its own.

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
#include "index/listing.h"
#include "index/segment_footer.h"
#include "index/segmented_index.h"

namespace sparse_rerank {
namespace {

/// Corrects the checksums, if the input is long enough to have them.
void repair(std::vector<std::uint8_t>& bytes) {
  SegmentTrailer trailer;
  if (bytes.size() < sizeof(trailer)) return;
  const std::size_t trailer_at = bytes.size() - sizeof(trailer);
  std::memcpy(&trailer, bytes.data() + trailer_at, sizeof(trailer));
  trailer.tail = std::min<std::uint64_t>(trailer.tail, trailer_at);
  if (trailer.version != kOldestSegmentVersion) trailer.version = kSegmentVersion;
  trailer.magic = kSegmentMagic;
  const auto all = std::as_bytes(std::span(bytes));
  const auto tail = all.subspan(trailer.tail, trailer_at - trailer.tail);
  if (auto decoded = decode_footer(tail, trailer, "file"); decoded.ok()) {
    const PageStarts& starts = decoded.value().pages;
    std::size_t page = 0;
    for (std::size_t part = 0; part < starts.offsets.size(); ++part) {
      const std::uint64_t end = part + 1 < starts.offsets.size() ? starts.offsets[part + 1] : trailer.tail;
      for (std::uint64_t first = starts.offsets[part]; first < end; first += kPageBytes, ++page) {
        const std::uint64_t checksum = xxh64(all.subspan(first, std::min<std::uint64_t>(kPageBytes, end - first)));
        std::memcpy(bytes.data() + trailer.tail + page * sizeof(checksum), &checksum, sizeof(checksum));
      }
    }
  }
  trailer.checksum = xxh64(tail);
  std::memcpy(bytes.data() + trailer_at, &trailer, sizeof(trailer));
}

/// The lexical side, when there is one: searches with and without removed documents, statistics, facets.
void use_terms(SegmentedIndex& index) {
  if (!index.settings().lexical) return;
  // The seeds' terms.
  const std::string bytes = "allcommonword1word2absent";
  const std::vector<std::uint32_t> offsets = {0, 3, 9, 14, 19, 25};
  const std::vector<std::uint32_t> indptr = {0, 5};
  const std::vector<std::uint32_t> indices = {4, 3, 2, 1, 0};
  const std::vector<std::uint32_t> counts = {1, 2, 1, 1, 1};
  const TermRowsView rows = {{offsets, std::as_bytes(std::span(bytes))}, indptr, indices, counts};
  SearchScratch scratch;
  std::vector<Hit> hits;
  for (const char* removed : {"absent", "1"}) {
    const std::vector<std::uint32_t> ends = {0, static_cast<std::uint32_t>(std::strlen(removed))};
    (void)index.remove({ends, std::as_bytes(std::span(removed, ends[1]))});
    const auto snapshot = index.snapshot();
    (void)search_terms(*snapshot, lexical_query(rows, 0), 5, snapshot->removed(), scratch, hits, nullptr);
    FacetRequest request = {"n", 5};
    request.terms = lexical_query(rows, 0);
    (void)count_facets(*snapshot, request, scratch, nullptr);
    (void)list_documents(*snapshot, nullptr, "0", 5, nullptr);
  }
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
  // The numbers and strings of the seeds.
  const std::string bounds = "nu";
  const std::vector<std::uint32_t> bound_offsets = {0, 1, 2};
  const FilterStep step = {FilterOperation::kRanges, 1};
  (void)snapshot->all_but({std::span(&step, 1), {bound_offsets, std::as_bytes(std::span(bounds))}});
  for (const char* id : {"0", "1", "25", "absent"}) (void)snapshot->find(id);
  use_terms(index);
  if (index.stats().documents > 100000) return;
  const std::vector<std::uint32_t> indptr = {0, 0};
  const std::vector<std::uint32_t> offsets = {0, 1};
  DocumentBatch batch = {{indptr, {}, {}}, {offsets, std::as_bytes(std::span("n", 1))}, {}};
  if (index.settings().lexical) batch.terms = TermRowsView{{offsets, std::as_bytes(std::span("n", 1))}, indptr, {}, {}};
  if (index.add(batch)) return;
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
  // A new file each time: the previous one may still be mapped.
  std::filesystem::remove(scratch_file());
  std::ofstream(scratch_file(), std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
  const auto index = SegmentedIndex::open(scratch_file(), {std::nullopt, false});
  if (index.ok()) use(*index.value());
  std::filesystem::remove(scratch_file());
  return 0;
}
