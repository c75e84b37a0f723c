#include "index/region_writer.h"

#include <vector>

namespace sparse_rerank {

Status RegionWriter::put_terms(std::span<const std::uint32_t> terms, bool wide) {
  if (wide) return put(terms);
  narrow_.assign(terms.begin(), terms.end());
  return put(std::span<const std::uint16_t>(narrow_));
}

Status RegionWriter::align() {
  constexpr std::byte kZeros[kRegionAlignment] = {};
  const std::uint64_t position = sink_.position();
  return sink_.write(std::span(kZeros).first(aligned(position) - position));
}

Status RegionWriter::begin(Region region) {
  if (Status error = align()) return error;
  footer_.regions[region].offset = sink_.position();
  return std::nullopt;
}

Status RegionWriter::begin_pages(Region region) {
  if (Status error = begin(region)) return error;
  return sink_.begin_pages();
}

Status RegionWriter::end(Region region, std::size_t padding) {
  const std::vector<std::byte> zeros(padding);
  if (Status error = sink_.write(zeros)) return error;
  footer_.regions[region].bytes = written(region);
  return std::nullopt;
}

}  // namespace sparse_rerank
