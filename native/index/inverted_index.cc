#include "index/inverted_index.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

namespace sparse_rerank {

namespace {

/// Makes room for `extra` more elements without the quadratic copying of an exact reserve() in every call.
template <typename Vector>
void reserve_more(Vector& vector, std::size_t extra) {
  const std::size_t needed = vector.size() + extra;
  if (needed > vector.capacity()) vector.reserve(std::max(needed, vector.capacity() * 2));
}

}  // namespace

std::shared_lock<std::shared_mutex> InvertedIndex::lock_to_read() const {
  const std::lock_guard entrance(entrance_);
  return std::shared_lock(mutex_);
}

std::unique_lock<std::shared_mutex> InvertedIndex::lock_to_write() {
  const std::lock_guard entrance(entrance_);
  return std::unique_lock(mutex_);
}

Result<std::uint32_t> InvertedIndex::add(const SparseRowsView& rows) {
  if (Status error = validate(rows, dimension_)) return *std::move(error);
  const auto lock = lock_to_write();
  const std::size_t first = removed_.size();
  const std::size_t count = rows.rows();
  if (count > kMaxSlots - first) {
    return Error{"ERR_TOO_LARGE", "the index has given out " + std::to_string(first) + " of " + std::to_string(kMaxSlots) +
                                      " document slots and cannot take " + std::to_string(count) +
                                      " more; compact() frees those of removed documents"};
  }

  // Whatever may run out of memory comes first and leaves the index as it was.
  std::vector<SealedBlock> filled;
  std::size_t taken = 0;
  if (const std::size_t room = kBlockDocuments - open_.documents(); count >= room) {
    filled.emplace_back(open_, rows.slice(0, room));
    for (taken = room; count - taken >= kBlockDocuments; taken += kBlockDocuments) {
      filled.emplace_back(OpenBlock(), rows.slice(taken, kBlockDocuments));
    }
  }
  const SparseRowsView rest = rows.slice(taken, count - taken);
  OpenBlock next;
  OpenBlock& last = filled.empty() ? open_ : next;
  last.reserve(rest);
  reserve_more(sealed_, filled.size());
  reserve_more(removed_, count);

  last.append(rest);
  if (!filled.empty()) open_ = std::move(next);
  std::move(filled.begin(), filled.end(), std::back_inserter(sealed_));
  removed_.resize(first + count);
  publish_stats();
  return static_cast<std::uint32_t>(first);
}

Status InvertedIndex::remove(std::span<const std::uint32_t> slots) {
  const auto lock = lock_to_write();
  for (const std::uint32_t slot : slots) {
    if (slot >= removed_.size()) {
      return Error{"ERR_INVALID_ARGUMENT",
                   "there is no document slot " + std::to_string(slot) + "; " + std::to_string(removed_.size()) + " were given out"};
    }
  }
  for (const std::uint32_t slot : slots) {
    if (removed_[slot]) continue;
    removed_[slot] = true;
    ++removed_count_;
  }
  publish_stats();
  return std::nullopt;
}

template <typename Block>
void InvertedIndex::search_block(const Block& block, BlockRange range, std::span<const std::uint32_t> terms, std::span<const float> weights,
                                 SearchScratch& scratch) const {
  scratch.lists.clear();
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const PostingList list = block.list(terms[i]);
    if (!list.documents.empty()) scratch.lists.push_back({list, weights[i]});
  }
  if (!scratch.lists.empty()) score_exhaustively(scratch.lists, range, removed_, scratch.scores.data(), scratch.top);
}

Status InvertedIndex::search(std::span<const std::uint32_t> terms, std::span<const float> weights, std::size_t k, SearchScratch& scratch,
                             std::vector<Hit>& out, const std::atomic<bool>* cancel) const {
  scratch.scores.reserve_discarding(kBlockDocuments);
  scratch.top.reset(k);
  const auto lock = lock_to_read();
  for (std::size_t block = 0; k > 0 && block <= sealed_.size(); ++block) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return Error{"ERR_ABORTED", "the search was aborted"};
    const auto first_slot = static_cast<std::uint32_t>(block * kBlockDocuments);
    if (block < sealed_.size()) {
      search_block(sealed_[block], {first_slot, kBlockDocuments}, terms, weights, scratch);
    } else {
      search_block(open_, {first_slot, open_.documents()}, terms, weights, scratch);
    }
  }
  scratch.top.take(out);
  return std::nullopt;
}

Result<std::vector<std::uint32_t>> InvertedIndex::compact() {
  constexpr std::uint32_t kGone = std::numeric_limits<std::uint32_t>::max();
  const auto lock = lock_to_write();
  std::vector<std::uint32_t> old_slots;
  old_slots.reserve(removed_.size() - removed_count_);
  std::vector<std::uint32_t> new_slots(removed_.size(), kGone);
  for (std::uint32_t slot = 0; slot < removed_.size(); ++slot) {
    if (removed_[slot]) continue;
    new_slots[slot] = static_cast<std::uint32_t>(old_slots.size());
    old_slots.push_back(slot);
  }
  if (removed_count_ == 0) return old_slots;

  std::vector<SealedBlock> sealed;
  OpenBlock open;
  const auto move_list = [&](std::uint32_t term, const PostingList& list, std::size_t first_slot, std::size_t begin, std::size_t end) {
    for (std::size_t i = 0; i < list.documents.size(); ++i) {
      const std::uint32_t slot = new_slots[first_slot + list.documents[i]];
      if (slot >= begin && slot < end) open.push(term, slot % kBlockDocuments, list.weights[i]);
    }
  };
  std::size_t moved = 0;
  for (std::size_t block = 0; block <= sealed_.size(); ++block) {
    const std::size_t first_slot = block * kBlockDocuments;
    const std::size_t last_slot = std::min(first_slot + kBlockDocuments, removed_.size());
    const auto live_end = static_cast<std::size_t>(std::lower_bound(old_slots.begin(), old_slots.end(), last_slot) - old_slots.begin());
    // The documents that are left of one old block fill up one new block and begin another at most.
    while (moved < live_end) {
      const std::size_t end = std::min(live_end, moved + (kBlockDocuments - open.documents()));
      if (block < sealed_.size()) {
        for (const std::uint32_t term : sealed_[block].terms()) move_list(term, sealed_[block].list(term), first_slot, moved, end);
      } else {
        for (std::uint32_t term = 0; term < open_.term_end(); ++term) move_list(term, open_.list(term), first_slot, moved, end);
      }
      open.extend(static_cast<std::uint32_t>(end - moved));
      moved = end;
      if (open.documents() == kBlockDocuments) {
        sealed.emplace_back(open, SparseRowsView());
        open = OpenBlock();
      }
    }
  }
  std::vector<bool> removed(moved);

  sealed_ = std::move(sealed);
  open_ = std::move(open);
  removed_ = std::move(removed);
  removed_count_ = 0;
  publish_stats();
  return old_slots;
}

void InvertedIndex::publish_stats() {
  IndexStats stats{removed_.size() - removed_count_, open_.postings(),
                   open_.bytes() + sealed_.capacity() * sizeof(SealedBlock) + removed_.capacity() / 8};
  for (const SealedBlock& block : sealed_) {
    stats.postings += block.postings();
    stats.bytes += block.bytes();
  }
  const std::lock_guard lock(stats_mutex_);
  stats_ = stats;
}

IndexStats InvertedIndex::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

}  // namespace sparse_rerank
