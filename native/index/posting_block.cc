#include "index/posting_block.h"

#include <algorithm>

namespace sparse_rerank {

namespace {

/// One more than the largest term of the rows.
std::size_t largest_term_end(const SparseRowsView& rows) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const SparseRow row = rows.row(i);
    if (!row.indices.empty()) end = std::max<std::size_t>(end, row.indices.back() + std::size_t{1});
  }
  return end;
}

/// Calls visit(term, document, weight) for every weight that is not zero, documents numbered from `first`.
template <typename Visit>
void for_each_posting(const SparseRowsView& rows, std::uint32_t first, Visit visit) {
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const SparseRow row = rows.row(i);
    for (std::size_t j = 0; j < row.indices.size(); ++j) {
      if (row.values[j] != 0.0f) visit(row.indices[j], first + static_cast<std::uint32_t>(i), row.values[j]);
    }
  }
}

}  // namespace

PostingList OpenBlock::list(std::uint32_t term) const {
  if (term >= lists_.size()) return {};
  return {lists_[term].documents, lists_[term].weights};
}

void OpenBlock::cover_terms(std::size_t end) {
  if (end > lists_.size()) lists_.resize(end);
}

void OpenBlock::make_room(GrowingList& list, std::size_t count) {
  const std::size_t needed = list.documents.size() + count;
  if (needed <= list.weights.capacity()) return;
  // A factor of 1.5 keeps the copies amortised. The weights come last, so that their capacity tells that both have room.
  const std::size_t capacity = std::max(needed, list.weights.capacity() + list.weights.capacity() / 2);
  const std::size_t before = list.weights.capacity();
  list.documents.reserve(capacity);
  list.weights.reserve(capacity);
  list_bytes_ += (list.weights.capacity() - before) * kPostingBytes;
}

void OpenBlock::reserve(const SparseRowsView& rows) {
  std::vector<std::uint32_t> counts(largest_term_end(rows));
  cover_terms(counts.size());
  for_each_posting(rows, 0, [&](std::uint32_t term, std::uint32_t, float) { ++counts[term]; });
  for (std::size_t term = 0; term < counts.size(); ++term) {
    if (counts[term] != 0) make_room(lists_[term], counts[term]);
  }
}

void OpenBlock::append(const SparseRowsView& rows) noexcept {
  for_each_posting(rows, documents_, [&](std::uint32_t term, std::uint32_t document, float weight) {
    lists_[term].documents.push_back(document);
    lists_[term].weights.push_back(weight);
    ++postings_;
  });
  documents_ += static_cast<std::uint32_t>(rows.rows());
}

void OpenBlock::push(std::uint32_t term, std::uint32_t document, float weight) {
  cover_terms(term + std::size_t{1});
  make_room(lists_[term], 1);
  lists_[term].documents.push_back(document);
  lists_[term].weights.push_back(weight);
  ++postings_;
}

SealedBlock::SealedBlock(const OpenBlock& open, const SparseRowsView& rows) {
  std::vector<std::uint64_t> next(std::max<std::size_t>(open.term_end(), largest_term_end(rows)));
  for (std::uint32_t term = 0; term < open.term_end(); ++term) next[term] = open.list(term).documents.size();
  for_each_posting(rows, 0, [&](std::uint32_t term, std::uint32_t, float) { ++next[term]; });

  const auto present = static_cast<std::size_t>(std::count_if(next.begin(), next.end(), [](std::uint64_t count) { return count != 0; }));
  terms_.reserve(present);
  offsets_.reserve(present + 1);
  std::uint64_t total = 0;
  for (std::size_t term = 0; term < next.size(); ++term) {
    const std::uint64_t count = next[term];
    next[term] = total;
    if (count == 0) continue;
    terms_.push_back(static_cast<std::uint32_t>(term));
    offsets_.push_back(total);
    total += count;
  }
  offsets_.push_back(total);

  documents_ = AlignedBuffer<std::uint32_t>(total);
  weights_ = AlignedBuffer<float>(total);
  for (const std::uint32_t term : terms_) {
    const PostingList list = open.list(term);
    std::copy(list.documents.begin(), list.documents.end(), documents_.data() + next[term]);
    std::copy(list.weights.begin(), list.weights.end(), weights_.data() + next[term]);
    next[term] += list.documents.size();
  }
  for_each_posting(rows, open.documents(), [&](std::uint32_t term, std::uint32_t document, float weight) {
    documents_[next[term]] = document;
    weights_[next[term]] = weight;
    ++next[term];
  });
}

std::size_t SealedBlock::bytes() const {
  return terms_.capacity() * sizeof(std::uint32_t) + offsets_.capacity() * sizeof(std::uint64_t) +
         documents_.size() * sizeof(std::uint32_t) + weights_.size() * sizeof(float);
}

PostingList SealedBlock::list(std::uint32_t term) const {
  const auto found = std::lower_bound(terms_.begin(), terms_.end(), term);
  if (found == terms_.end() || *found != term) return {};
  const auto i = static_cast<std::size_t>(found - terms_.begin());
  const auto length = static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]);
  return {{documents_.data() + offsets_[i], length}, {weights_.data() + offsets_[i], length}};
}

}  // namespace sparse_rerank
