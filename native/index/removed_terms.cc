#include "index/removed_terms.h"

#include <bit>
#include <utility>

namespace sparse_rerank {

Result<std::shared_ptr<const RemovedCounts>> RemovedTerms::counts() const {
  const std::lock_guard lock(mutex_);
  if (counts_ != nullptr && counts_->removed_ == removed_) return counts_;
  const SegmentTerms& lexical = *segment_->lexical();
  auto counts = counts_ == nullptr ? std::make_shared<RemovedCounts>() : std::make_shared<RemovedCounts>(*counts_);
  counts->blocks_.resize(lexical.terms() / RemovedCounts::kBlock + 1);
  std::vector<bool> own(counts->blocks_.size());
  std::vector<std::uint32_t> memory;
  for (std::size_t word = 0; word < removed_->size(); ++word) {
    const std::uint64_t before = counts->removed_ == nullptr ? 0 : (*counts->removed_)[word];
    for (std::uint64_t bits = (*removed_)[word] & ~before; bits != 0; bits &= bits - 1) {
      const auto document = static_cast<std::uint32_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      const Result<TermRow> row = lexical.row(document, memory);
      if (!row) return row.error();
      counts->total_length_ += row.value().length;
      for (const std::uint32_t ordinal : row.value().terms) {
        const std::size_t place = ordinal / RemovedCounts::kBlock;
        auto& block = counts->blocks_[place];
        if (!own[place]) {
          block = block == nullptr ? std::make_shared<RemovedCounts::Block>() : std::make_shared<RemovedCounts::Block>(*block);
          own[place] = true;
        }
        ++(*block)[ordinal % RemovedCounts::kBlock];
      }
    }
  }
  counts->removed_ = removed_;
  counts_ = std::move(counts);
  return counts_;
}

}  // namespace sparse_rerank
