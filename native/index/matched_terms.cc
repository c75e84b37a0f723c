#include "index/matched_terms.h"

#include <algorithm>
#include <utility>

#include "index/lexical_search.h"

namespace sparse_rerank {

MatchedTerms::MatchedTerms(const Snapshot& snapshot, std::vector<std::string_view> terms)
    : snapshot_(&snapshot), terms_(std::move(terms)), ordinals_(snapshot.segments.size()) {}

Status MatchedTerms::read(const Location& location, std::span<std::uint8_t> matched) {
  const auto ordinals = this->ordinals(location.segment);
  if (!ordinals) return ordinals.error();
  const auto row = snapshot_->segments[location.segment].segment->lexical()->row(location.document, row_);
  if (!row) return row.error();
  const auto& having = row.value().terms;
  for (std::size_t i = 0; i < terms_.size(); ++i) {
    matched[i] = std::binary_search(having.begin(), having.end(), ordinals.value()[i]) ? 1 : 0;
  }
  return std::nullopt;
}

Result<std::span<const std::uint32_t>> MatchedTerms::ordinals(std::size_t segment) {
  std::vector<std::uint32_t>& ordinals = ordinals_[segment];
  if (ordinals.empty()) {
    std::vector<std::uint32_t> found;
    for (const std::string_view term : terms_) {
      const auto ordinal = snapshot_->segments[segment].segment->lexical()->find(term);
      if (!ordinal) return ordinal.error();
      found.push_back(ordinal.value().value_or(kNoOrdinal));
    }
    ordinals = std::move(found);
  }
  return std::span<const std::uint32_t>(ordinals);
}

}  // namespace sparse_rerank
