#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/result.h"
#include "index/region_writer.h"

namespace sparse_rerank {

/// Which segments get impact-ordered lists, and how long they are.
struct ImpactBounds {
  /// Smaller segments have none: their exact search takes as little time.
  std::uint32_t least_documents = 1u << 19;
  /// Postings of a term that are kept, those of its largest weights. 2^24 - 1 at most.
  std::uint32_t list_length = 4096;
  /// Postings that are held at a time, unless one term has more.
  std::uint64_t group_postings = std::uint64_t{1} << 24;
};

/// Writes impact-ordered lists (the order of JASS, Lin & Trotman, ICTIR 2015; statically pruned as Seismic's lists are, Bruch et al., SIGIR
/// 2024): of each term, the documents of its largest quantized weights, in runs of equal weights. Of equal weights at the end of a list,
/// the first documents are kept.
///
/// First every posting is counted; then the rows pass once more for each group of terms. Holds 8 bytes for each posting of a group, 1 KiB
/// for each term of more postings than are kept, and 4 bytes for each run.
class ImpactWriter {
 public:
  /// @param postings by ordinal: how many weights above zero the term has
  ImpactWriter(std::vector<std::uint32_t> postings, const ImpactBounds& bounds, RegionWriter& writer);

  /// Once for every posting.
  void count(std::size_t ordinal, std::uint8_t weight) {
    if (histograms_[ordinal] != kNone) ++counts_[histograms_[ordinal] + weight];
  }

  /// After all were counted. Errors of this and the following: those of the sink.
  [[nodiscard]] Status begin();
  /// Whether no group is left; end() completes the regions.
  [[nodiscard]] bool done() const { return first_ == postings_.size(); }
  /// The ordinals of the group, [first, second).
  [[nodiscard]] std::pair<std::size_t, std::size_t> group() const { return {first_, last_}; }
  /// Every posting of the group's terms, in the order of documents.
  void place(std::size_t ordinal, std::uint32_t document, std::uint8_t weight);
  /// Writes the group and goes on to the next.
  [[nodiscard]] Status end_group();
  [[nodiscard]] Status end();

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  /// Of a list's last weight, which not all documents may be kept of.
  struct Cut {
    std::uint8_t weight = 0;
    std::uint32_t left = 0;
  };

  void begin_group();
  [[nodiscard]] Cut cut_of(std::size_t ordinal) const;
  [[nodiscard]] Status write_list(std::size_t begin, std::size_t count);

  const ImpactBounds bounds_;
  RegionWriter& writer_;
  std::vector<std::uint32_t> postings_;
  std::vector<std::uint64_t> histograms_;  // by ordinal: the first of its elements of counts_, or kNone when the whole list is kept
  std::vector<std::uint32_t> counts_;      // [256] for each of these terms
  std::vector<ImpactPlace> places_;
  std::vector<std::uint32_t> runs_;

  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::vector<std::size_t> begins_;  // by term of the group
  std::vector<std::uint32_t> filled_;
  std::vector<Cut> cuts_;
  std::vector<std::uint32_t> documents_;
  std::vector<std::uint8_t> weights_;
  std::vector<std::uint32_t> sorted_;
};

}  // namespace sparse_rerank
