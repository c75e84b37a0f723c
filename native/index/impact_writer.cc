#include "index/impact_writer.h"

#include <algorithm>
#include <array>

namespace sparse_rerank {

namespace {

constexpr std::size_t kLevels = kWeightLevels + 1;

}  // namespace

ImpactWriter::ImpactWriter(std::vector<std::uint32_t> postings, const ImpactBounds& bounds, RegionWriter& writer)
    : bounds_(bounds), writer_(writer), postings_(std::move(postings)), histograms_(postings_.size(), kNone) {
  std::uint64_t elements = 0;
  for (std::size_t i = 0; i < postings_.size(); ++i) {
    if (postings_[i] <= bounds_.list_length) continue;
    histograms_[i] = elements;
    elements += kLevels;
  }
  counts_.resize(elements);
}

Status ImpactWriter::begin() {
  places_.reserve(postings_.size() + 1);
  places_.push_back({0, 0});
  begin_group();
  return writer_.begin(kImpactDocuments);
}

ImpactWriter::Cut ImpactWriter::cut_of(std::size_t ordinal) const {
  if (histograms_[ordinal] == kNone) return {};
  const auto counts = std::span(counts_).subspan(histograms_[ordinal], kLevels);
  std::uint32_t left = bounds_.list_length;
  std::size_t weight = kWeightLevels;
  for (; weight > 1 && counts[weight] < left; --weight) left -= counts[weight];
  return {static_cast<std::uint8_t>(weight), left};
}

void ImpactWriter::begin_group() {
  first_ = last_;
  begins_.clear();
  cuts_.clear();
  std::size_t total = 0;
  while (last_ < postings_.size()) {
    const std::uint32_t kept = std::min(postings_[last_], bounds_.list_length);
    if (last_ > first_ && total + kept > bounds_.group_postings) break;
    begins_.push_back(total);
    cuts_.push_back(cut_of(last_));
    total += kept;
    ++last_;
  }
  filled_.assign(begins_.size(), 0);
  documents_.resize(total);
  weights_.resize(total);
}

void ImpactWriter::place(std::size_t ordinal, std::uint32_t document, std::uint8_t weight) {
  const std::size_t i = ordinal - first_;
  Cut& cut = cuts_[i];
  if (weight < cut.weight) return;
  if (weight == cut.weight) {
    if (cut.left == 0) return;
    --cut.left;
  }
  const std::size_t place = begins_[i] + filled_[i]++;
  documents_[place] = document;
  weights_[place] = weight;
}

Status ImpactWriter::write_list(std::size_t begin, std::size_t count) {
  std::array<std::uint32_t, kLevels> ends{};
  for (std::size_t i = begin; i < begin + count; ++i) ++ends[weights_[i]];
  std::uint32_t end = 0;
  for (std::size_t weight = kLevels; weight-- > 0;) {
    const std::uint32_t documents = ends[weight];
    if (documents > 0) runs_.push_back(documents << 8 | static_cast<std::uint32_t>(weight));
    ends[weight] = end;
    end += documents;
  }
  sorted_.resize(count);
  for (std::size_t i = begin; i < begin + count; ++i) sorted_[ends[weights_[i]]++] = documents_[i];
  places_.push_back({runs_.size(), places_.back().document + count});
  return writer_.put(std::span<const std::uint32_t>(sorted_));
}

Status ImpactWriter::end_group() {
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    if (Status error = write_list(begins_[i], filled_[i])) return error;
  }
  begin_group();
  return std::nullopt;
}

Status ImpactWriter::end() {
  if (Status error = writer_.end(kImpactDocuments)) return error;
  if (Status error = writer_.put_region(kImpactRuns, std::span<const std::uint32_t>(runs_))) return error;
  return writer_.put_region(kImpactPlaces, std::span<const ImpactPlace>(places_));
}

}  // namespace sparse_rerank
