// libFuzzer target for the manifest reader; scripts/fuzz-index.sh builds and runs it.
//
// The checksum would reject nearly every input, so the harness corrects it; every fourth input keeps its own. An accepted manifest must be
// consistent, and what it encodes to must be accepted as well.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <span>
#include <vector>

#include "core/checksum.h"
#include "index/manifest.h"
#include "index/sparse_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sparse_rerank;
  const auto given = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(given.begin(), given.end());
  if (size % 4 == 0 && size >= sizeof(std::uint64_t)) {
    const std::size_t end = size - sizeof(std::uint64_t);
    const std::uint64_t checksum = xxh64(std::span(bytes).first(end));
    std::memcpy(bytes.data() + end, &checksum, sizeof(checksum));
  }
  const auto manifest = Manifest::decode(bytes, "manifest");
  if (!manifest) return 0;
  const Manifest& read = manifest.value();
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  const std::vector<std::byte> encoded = read.encode();
  const auto again = Manifest::decode(encoded, "manifest");
  require(again.ok() && again.value().encode() == encoded && again.value().settings == read.settings);
  require(read.settings.dimension > 0 && read.settings.dimension <= kMaxDimension);
  require(!read.settings.lexical || read.settings.lexical->valid());
  std::set<std::uint64_t> numbers;
  std::uint64_t documents = 0;
  for (const ManifestSegment& segment : read.segments) {
    require(segment.number < read.next_number && numbers.insert(segment.number).second);
    documents += segment.documents;
    for (std::size_t bit = segment.documents; bit < segment.removed.size() * 64; ++bit) require(!test_bit(segment.removed, bit));
  }
  require(documents <= kMaxSlots);
  return 0;
}
