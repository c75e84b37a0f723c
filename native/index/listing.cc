#include "index/listing.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "index/cancel.h"
#include "index/hit_sets.h"

namespace sparse_rerank {

namespace {

/// Names that are counted between looks at `cancel`.
constexpr std::size_t kNamesPerLook = 256;

bool better(const Facet& a, const Facet& b) {
  return a.count > b.count || (a.count == b.count && a.name < b.name);
}

/// The best facets of those that come in any order.
class BestFacets {
 public:
  explicit BestFacets(std::size_t limit) : limit_(limit) {}

  void offer(std::string_view name, std::uint64_t count) {
    if (limit_ == 0) return;
    if (full_ && (count < least_.count || (count == least_.count && name > least_.name))) return;
    facets_.push_back({std::string(name), count});
    if (facets_.size() / 2 >= limit_) trim();
  }
  [[nodiscard]] std::vector<Facet> take() {
    std::sort(facets_.begin(), facets_.end(), better);
    facets_.resize(std::min(facets_.size(), limit_));
    return std::move(facets_);
  }

 private:
  void trim() {
    std::nth_element(facets_.begin(), facets_.begin() + static_cast<std::ptrdiff_t>(limit_ - 1), facets_.end(), better);
    facets_.resize(limit_);
    least_ = facets_.back();
    full_ = true;
  }

  const std::size_t limit_;
  std::vector<Facet> facets_;
  Facet least_{"", 0};
  bool full_ = false;
};

/// The attributes of one segment that begin with the prefix, in order.
struct FacetCursor {
  const Segment* segment;
  /// The documents to count.
  Bitmap counted;
  std::size_t next;
  /// Of the next attribute; empty at the end.
  std::optional<std::string_view> name;

  [[nodiscard]] Status read(std::string_view prefix) {
    name.reset();
    if (next == segment->attributes()) return std::nullopt;
    const Result<std::string_view> read = segment->attribute_name(next);
    if (!read) return read.error();
    if (read.value().starts_with(prefix)) name = read.value();
    return std::nullopt;
  }
  [[nodiscard]] Result<std::uint64_t> count() const {
    const auto documents = segment->attribute_documents(next);
    if (!documents) return documents.error();
    std::uint64_t count = 0;
    for (const std::uint32_t document : documents.value()) count += test_bit(counted, document) ? 1 : 0;
    return count;
  }
};

/// Whether a bit from `begin` to before `end` is set.
bool any_bit(const Bitmap& set, std::uint32_t begin, std::uint32_t end) {
  for (std::uint32_t bit = begin; bit < end;) {
    const std::uint64_t rest = set[bit / 64] >> (bit % 64);
    const std::uint32_t count = std::min(64 - bit % 64, end - bit);
    if ((rest & (~std::uint64_t{0} >> (64 - count))) != 0) return true;
    bit += count;
  }
  return false;
}

/// Leaves the heads, see FacetRequest, whose part of the set is not empty.
Status keep_heads(const Segment& segment, std::string_view attribute, Bitmap& set) {
  Bitmap kept(set.size());
  const Result<std::size_t> found = segment.find_attribute(attribute);
  if (!found) return found.error();
  if (found.value() < segment.attributes()) {
    const Result<std::string_view> name = segment.attribute_name(found.value());
    if (!name) return name.error();
    if (name.value() == attribute) {
      const auto heads = segment.attribute_documents(found.value());
      if (!heads) return heads.error();
      const auto& documents = heads.value();
      for (std::size_t i = 0; i < documents.size(); ++i) {
        const std::uint32_t end = i + 1 < documents.size() ? documents[i + 1] : segment.documents();
        if (any_bit(set, documents[i], end)) set_bit(kept, documents[i]);
      }
    }
  }
  set = std::move(kept);
  return std::nullopt;
}

/// The documents of each segment that pass the filter and are hits.
class CountedDocuments {
 public:
  CountedDocuments(const Snapshot& snapshot, const FacetRequest& request, SearchScratch& scratch, const std::atomic<bool>* cancel)
      : snapshot_(snapshot), request_(request), scratch_(scratch), cancel_(cancel) {}

  [[nodiscard]] Result<std::vector<Bitmap>> find() {
    if (request_.terms) {
      if (!snapshot_.settings.lexical) return no_lexical_side();
      Result<TermStatistics> statistics = term_statistics(snapshot_, request_.terms->terms);
      if (!statistics) return std::move(statistics).error();
      ordinals_ = std::move(statistics).value().ordinals;
    }
    std::optional<DenseQuery> dense;
    if (request_.query && !snapshot_.segments.empty()) {
      dense.emplace(*request_.query, snapshot_.segments.front().segment->dense_size(), scratch_.dense);
    }
    std::vector<Bitmap> found;
    for (std::size_t i = 0; i < snapshot_.segments.size(); ++i) {
      Bitmap& set = found.emplace_back(bitmap_words(snapshot_.segments[i].segment->documents()));
      if (Status error = find_in(i, set)) return *std::move(error);
    }
    return found;
  }

 private:
  [[nodiscard]] Status find_in(std::size_t i, Bitmap& set) const {
    const IndexSegment& segment = snapshot_.segments[i];
    const auto excluded = snapshot_.excluded(segment, request_.filter);
    if (!excluded) return excluded.error();
    const Bitmap* const left_out = excluded.value().get();
    if (request_.query) {
      const SegmentView view = {*segment.segment, 0, left_out == nullptr ? nullptr : left_out->data()};
      if (Status error = add_hits(view, *request_.query, scratch_, set, cancel_)) return error;
    }
    if (request_.terms) {
      if (Status error = add_hits(*segment.segment->lexical(), ordinals_[i], set, cancel_)) return error;
    }
    if (!request_.query && !request_.terms) set.assign(set.size(), ~std::uint64_t{0});
    for (std::size_t word = 0; left_out != nullptr && word < set.size(); ++word) set[word] &= ~(*left_out)[word];
    if (request_.heads) return keep_heads(*segment.segment, *request_.heads, set);
    return std::nullopt;
  }

  const Snapshot& snapshot_;
  const FacetRequest& request_;
  SearchScratch& scratch_;
  const std::atomic<bool>* const cancel_;
  std::vector<std::vector<std::uint32_t>> ordinals_;
};

}  // namespace

Result<std::vector<Location>> list_documents(const Snapshot& snapshot, const FilterView* filter, std::optional<std::string_view> after,
                                             std::size_t limit, const std::atomic<bool>* cancel) {
  Location next = {0, 0};
  if (after) {
    const auto found = snapshot.find(*after);
    if (!found) return found.error();
    const std::optional<Location>& location = found.value();
    if (!location) return Error{"ERR_INVALID_ARGUMENT", "There is no document " + std::string(*after) + " to continue after."};
    next = *location;
    ++next.document;
  }
  std::vector<Location> documents;
  for (; next.segment < snapshot.segments.size() && documents.size() < limit; next = {next.segment + 1, 0}) {
    if (is_cancelled(cancel)) return aborted();
    const IndexSegment& segment = snapshot.segments[next.segment];
    const auto excluded = snapshot.excluded(segment, filter);
    if (!excluded) return excluded.error();
    for (; next.document < segment.segment->documents() && documents.size() < limit; ++next.document) {
      if (excluded.value() == nullptr || !test_bit(*excluded.value(), next.document)) documents.push_back(next);
    }
  }
  return documents;
}

Result<std::uint64_t> count_documents(const Snapshot& snapshot, const FilterView* filter, const std::atomic<bool>* cancel) {
  if (filter == nullptr) return std::uint64_t{snapshot.documents()};
  std::uint64_t count = 0;
  for (const IndexSegment& segment : snapshot.segments) {
    if (is_cancelled(cancel)) return aborted();
    const auto excluded = snapshot.excluded(segment, filter);
    if (!excluded) return excluded.error();
    const std::uint32_t documents = segment.segment->documents();
    for (std::size_t word = 0; word < excluded.value()->size(); ++word) {
      std::uint64_t passing = ~(*excluded.value())[word];
      if (word == documents / 64) passing &= (std::uint64_t{1} << (documents % 64)) - 1;
      count += static_cast<std::uint64_t>(std::popcount(passing));
    }
  }
  return count;
}

Result<std::vector<Facet>> count_facets(const Snapshot& snapshot, const FacetRequest& request, SearchScratch& scratch,
                                        const std::atomic<bool>* cancel) {
  Result<std::vector<Bitmap>> counted = CountedDocuments(snapshot, request, scratch, cancel).find();
  if (!counted) return std::move(counted).error();
  std::vector<FacetCursor> cursors;
  for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
    const Segment& segment = *snapshot.segments[i].segment;
    const Result<std::size_t> first = segment.find_attribute(request.prefix);
    if (!first) return first.error();
    FacetCursor& cursor = cursors.emplace_back(FacetCursor{&segment, std::move(counted.value()[i]), first.value(), std::nullopt});
    if (Status error = cursor.read(request.prefix)) return *std::move(error);
  }
  BestFacets best(request.limit);
  for (std::size_t names = 0;; ++names) {
    if (names % kNamesPerLook == 0 && is_cancelled(cancel)) return aborted();
    std::optional<std::string_view> least;
    for (const FacetCursor& cursor : cursors) {
      if (cursor.name && (!least || *cursor.name < *least)) least = cursor.name;
    }
    if (!least) return best.take();
    std::uint64_t total = 0;
    for (FacetCursor& cursor : cursors) {
      if (cursor.name != least) continue;
      const Result<std::uint64_t> count = cursor.count();
      if (!count) return count.error();
      total += count.value();
      ++cursor.next;
      if (Status error = cursor.read(request.prefix)) return *std::move(error);
    }
    if (total > 0) best.offer(*least, total);
  }
}

}  // namespace sparse_rerank
