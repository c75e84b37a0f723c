#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/result.h"
#include "index/cancel.h"
#include "index/screen_plan.h"
#include "index/search_scratch.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

namespace sparse_rerank {

/// Rows that are asked for ahead of the one that is scored.
inline constexpr std::size_t kPrefetchedRows = 4;

/// One chunk of one field.
template <typename Field>
class ChunkSearch {
 public:
  ChunkSearch(const Field& field, const std::uint64_t* excluded, const ScreenPlan& plan, std::size_t chunk, SearchScratch& scratch)
      : field_(field),
        excluded_(excluded),
        plan_(plan),
        index_(chunk),
        chunk_(field.chunks()[chunk]),
        scratch_(scratch),
        bounds_(scratch.bounds.data()) {}

  [[nodiscard]] Status run() {
    if (Status error = add_bounds()) return error;
    if (excluded_ != nullptr) exclude();
    // A k-th best score makes the rest cheap, so that the documents of the best bounds come first.
    if (!scratch_.top.full()) {
      collect(std::max<std::uint16_t>(promising_bound(), 1));
      if (Status error = score_candidates()) return error;
      for (const std::uint32_t document : scratch_.candidates) bounds_[document] = 0;
    }
    collect(least_bound());
    std::sort(scratch_.candidates.begin(), scratch_.candidates.end(),
              [this](std::uint32_t a, std::uint32_t b) { return bounds_[a] > bounds_[b]; });
    return score_candidates();
  }

 private:
  [[nodiscard]] Status add_bounds() {
    const std::uint32_t groups = groups_of(chunk_.documents);
    const std::size_t end = std::size_t{groups} * kGroupDocuments;
    std::fill_n(bounds_, end, std::uint16_t{0});
    scratch_.masked_lists.clear();
    for (const auto& [ordinal, factor] : plan_.terms()) {
      const Result<Postings> list = field_.postings(index_, ordinal);
      if (!list) return list.error();
      const auto& [documents, masks, weights] = list.value();
      if (masks != nullptr) {
        // Where lists begin; add_masked() asks for the rest.
        for (std::size_t byte = 0; byte < kPrefetchedBytes; byte += 64) {
          SPARSE_RERANK_PREFETCH(reinterpret_cast<const std::uint8_t*>(masks) + byte);
          SPARSE_RERANK_PREFETCH(weights.data() + byte);
        }
        scratch_.masked_lists.push_back({masks, weights.data(), weights.data() + weights.size(), factor});
      } else {
        add_sparse(documents, weights.data(), weights.size(), factor, bounds_);
      }
    }
    scratch_.maxima.resize(groups);
    kernels().add_masked(scratch_.masked_lists.data(), scratch_.masked_lists.size(), groups, bounds_, scratch_.maxima.data());
    // A list of a damaged file may name documents that the chunk does not have.
    std::fill(bounds_ + chunk_.documents, bounds_ + end, std::uint16_t{0});
    return std::nullopt;
  }

  void exclude() {
    const std::uint64_t* const words = excluded_ + chunk_.first / kGroupDocuments;
    for (std::uint32_t group = 0; group < groups_of(chunk_.documents); ++group) {
      if (words[group] == 0) continue;
      std::uint16_t* const bounds = bounds_ + std::size_t{group} * kGroupDocuments;
      if (words[group] == ~std::uint64_t{0}) {
        std::fill_n(bounds, kGroupDocuments, std::uint16_t{0});
      } else {
        for (std::uint64_t word = words[group]; word != 0; word &= word - 1) bounds[std::countr_zero(word)] = 0;
      }
      scratch_.maxima[group] = *std::max_element(bounds, bounds + kGroupDocuments);
    }
  }

  /// A bound that k documents of this chunk reach, as high as is easily found; 0 when fewer than k have one.
  [[nodiscard]] std::uint16_t promising_bound() {
    std::vector<std::uint16_t>& values = scratch_.sorted_bounds;
    const std::size_t k = scratch_.top.k();
    const std::uint32_t groups = groups_of(chunk_.documents);
    if (k <= groups) {
      // The k-th largest of the groups' maxima.
      values = scratch_.maxima;
    } else {
      values.assign(bounds_, bounds_ + chunk_.documents);
    }
    if (k > values.size()) return 0;
    const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(values.begin(), kth, values.end(), std::greater<>());
    return *kth;
  }

  [[nodiscard]] std::uint16_t least_bound() const { return scratch_.top.full() ? plan_.least_bound(scratch_.top.worst()) : 1; }

  /// Documents of a bound of `least` or more.
  void collect(std::uint16_t least) {
    scratch_.candidates.clear();
    for (std::uint32_t group = 0; group < groups_of(chunk_.documents); ++group) {
      if (scratch_.maxima[group] < least) continue;
      const std::uint32_t begin = group * kGroupDocuments;
      for (std::uint32_t i = begin; i < begin + kGroupDocuments; ++i) {
        if (bounds_[i] >= least) scratch_.candidates.push_back(i);
      }
    }
  }

  /// Those whose bound still reaches the k-th best score, which rises meanwhile.
  [[nodiscard]] Status score_candidates() {
    const std::vector<std::uint32_t>& candidates = scratch_.candidates;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (bounds_[candidates[i]] < least_bound()) continue;
      if (i + kPrefetchedRows < candidates.size()) field_.prefetch_row(chunk_.first + candidates[i + kPrefetchedRows]);
      if (Status error = field_.offer(chunk_.first + candidates[i], scratch_)) return error;
    }
    return std::nullopt;
  }

  const Field& field_;
  const std::uint64_t* const excluded_;
  const ScreenPlan& plan_;
  const std::size_t index_;
  const Chunk chunk_;
  SearchScratch& scratch_;
  std::uint16_t* const bounds_;
};

/// Offers the documents of a segment that may be among the best to scratch.top, whose k is not 0.
///
/// Chunk by chunk, upper bounds of all documents' scores are added up from the quantised postings, in 16-bit integers; documents whose
/// bound reaches the k-th best score so far are scored exactly, best bound first.
/// @param field what is searched, known at compile time since it is asked for every candidate: chunks(); postings(chunk, ordinal);
///   prefetch_row(document) asks for what offer(document, scratch) will read, which offers it to scratch.top if it is a hit
/// @param excluded as SegmentView::excluded
/// @param cancel may be null; looked at before each chunk
/// Errors: those of the field, ERR_ABORTED.
template <typename Field>
[[nodiscard]] Status search_chunks(const Field& field, const std::uint64_t* excluded, const ScreenPlan& plan, SearchScratch& scratch,
                                   const std::atomic<bool>* cancel) {
  if (plan.terms().empty()) return std::nullopt;
  scratch.bounds.reserve_discarding(kChunkDocuments);
  for (std::size_t chunk = 0; chunk < field.chunks().size(); ++chunk) {
    if (is_cancelled(cancel)) return aborted();
    if (Status error = ChunkSearch<Field>(field, excluded, plan, chunk, scratch).run()) return error;
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
