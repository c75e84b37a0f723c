#include "index/snapshot.h"

#include <utility>

#include "index/screened_search.h"

namespace sparse_rerank {

void IndexSegment::set_removed(std::shared_ptr<const Bitmap> bitmap, std::uint32_t count) {
  if (segment->lexical() != nullptr) removed_terms = std::make_shared<RemovedTerms>(segment, bitmap, removed_terms.get());
  removed = std::move(bitmap);
  removed_count = count;
}

Status Snapshot::check_unchanged() const {
  for (const IndexSegment& segment : segments) {
    if (Status error = segment.segment->check_unchanged()) return error;
  }
  return std::nullopt;
}

std::size_t Snapshot::documents() const {
  std::size_t total = 0;
  for (const IndexSegment& segment : segments) total += segment.live();
  return total;
}

std::uint64_t Snapshot::slots() const {
  std::uint64_t total = 0;
  for (const IndexSegment& segment : segments) total += segment.segment->documents();
  return total;
}

Location Snapshot::locate(std::uint32_t slot) const {
  std::size_t i = 0;
  for (; slot >= segments[i].segment->documents(); ++i) slot -= segments[i].segment->documents();
  return {i, slot};
}

Result<std::optional<Location>> Snapshot::find(std::string_view id) const {
  // The newest first: an id that was added again is alive there.
  for (std::size_t i = segments.size(); i-- > 0;) {
    const auto document = segments[i].segment->find(id);
    if (!document) return document.error();
    const std::optional<std::uint32_t>& found = document.value();
    if (found && !segments[i].is_removed(*found)) return std::optional(Location{i, *found});
  }
  return std::optional<Location>();
}

double Snapshot::reached(double recall) const {
  double sum = 0.0;
  for (const IndexSegment& segment : segments) sum += segment.live() * static_cast<double>(segment.segment->level_for(recall).recall);
  const std::size_t live = documents();
  return live == 0 ? 1.0 : sum / static_cast<double>(live);
}

Exclusions Snapshot::removed() const {
  Exclusions exclusions;
  exclusions.reserve(segments.size());
  for (const IndexSegment& segment : segments) exclusions.push_back(segment.removed);
  return exclusions;
}

Result<Exclusions> Snapshot::all_but(const FilterView& filter) const {
  Exclusions exclusions;
  exclusions.reserve(segments.size());
  for (const IndexSegment& segment : segments) {
    auto bitmap = excluded(segment, &filter);
    if (!bitmap) return std::move(bitmap).error();
    exclusions.push_back(std::move(bitmap).value());
  }
  return exclusions;
}

Result<std::shared_ptr<const Bitmap>> Snapshot::excluded(const IndexSegment& segment, const FilterView* filter) const {
  if (filter == nullptr) return segment.removed;
  Result<Bitmap> allowed = matching(*segment.segment, *filter);
  if (!allowed) return std::move(allowed).error();
  auto excluded = std::make_shared<Bitmap>(std::move(allowed).value());
  for (std::size_t i = 0; i < excluded->size(); ++i) {
    (*excluded)[i] = ~(*excluded)[i] | (segment.removed == nullptr ? 0 : (*segment.removed)[i]);
  }
  return std::shared_ptr<const Bitmap>(std::move(excluded));
}

Status Snapshot::search(const SparseQuery& query, const Wanted& wanted, const Exclusions& exclusions, SearchScratch& scratch,
                        std::vector<Hit>& out, const std::atomic<bool>* cancel) const {
  out.clear();
  if (wanted.k == 0 || segments.empty() || query.terms.empty()) return std::nullopt;
  const DenseQuery dense(query, segments.front().segment->dense_size(), scratch.dense);
  scratch.top.reset(wanted.k);
  std::uint32_t first_slot = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = *segments[i].segment;
    const SegmentView view = {segment, first_slot, exclusions[i] == nullptr ? nullptr : exclusions[i]->data()};
    const Pruning pruning = wanted.recall < 1.0 ? segment.level_for(wanted.recall).pruning : Pruning();
    if (Status error = search_screened(view, query, pruning, scratch, cancel)) return error;
    first_slot += segment.documents();
  }
  scratch.top.take(out);
  return std::nullopt;
}

}  // namespace sparse_rerank
