#include "index/segmented_index.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/durable_file.h"

namespace sparse_rerank {

namespace {

/// As many neighboring segments of a size become one.
constexpr std::size_t kMergedSegments = 8;

/// The documents of one change.
class BatchRows final : public RowSource {
 public:
  explicit BatchRows(const DocumentBatch& batch) : batch_(batch), by_name_(batch.attributes.names.size()) {
    std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
    const StringsView& names = batch.attributes.names;
    std::sort(by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) { return names.text(a) < names.text(b); });
    if (batch.terms) terms_.emplace(*batch.terms);
  }

  [[nodiscard]] std::uint32_t documents() const override { return static_cast<std::uint32_t>(batch_.rows.rows()); }
  [[nodiscard]] Result<SparseRow> row(std::uint32_t document) override { return batch_.rows.row(document); }
  [[nodiscard]] Result<std::string_view> id(std::uint32_t document) override { return batch_.ids.text(document); }
  [[nodiscard]] Result<std::span<const std::byte>> stored(std::uint32_t document) override {
    return batch_.stored.size() == 0 ? std::span<const std::byte>() : batch_.stored[document];
  }
  [[nodiscard]] Result<std::optional<Attribute>> next_attribute() override {
    if (next_ == by_name_.size()) return std::optional<Attribute>();
    return std::optional(batch_.attributes[by_name_[next_++]]);
  }
  [[nodiscard]] TermSource* terms() override { return terms_ ? &*terms_ : nullptr; }

 private:
  const DocumentBatch& batch_;
  std::vector<std::size_t> by_name_;
  std::size_t next_ = 0;
  std::optional<BatchTerms> terms_;
};

/// Marks documents as removed, in copies of the bitmaps that searches are reading.
class Removals {
 public:
  explicit Removals(Snapshot& snapshot) : snapshot_(snapshot), bitmaps_(snapshot.segments.size()) {}

  /// Each document once.
  void remove(const Location& location) {
    IndexSegment& segment = snapshot_.segments[location.segment];
    std::shared_ptr<Bitmap>& bitmap = bitmaps_[location.segment];
    if (bitmap == nullptr) {
      bitmap = segment.removed == nullptr ? std::make_shared<Bitmap>(bitmap_words(segment.segment->documents()))
                                          : std::make_shared<Bitmap>(*segment.removed);
      segment.set_removed(bitmap, segment.removed_count);
    }
    set_bit(*bitmap, location.document);
    ++segment.removed_count;
  }

 private:
  Snapshot& snapshot_;
  std::vector<std::shared_ptr<Bitmap>> bitmaps_;
};

/// Removes the documents with these ids; returns how many there were that have none of `replaced`.
Result<std::size_t> remove_ids(Snapshot& snapshot, Removals& removals, const StringsView& ids,
                               const std::unordered_set<std::string_view>& replaced) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto location = snapshot.find(ids.text(i));
    if (!location) return location.error();
    const std::optional<Location>& found = location.value();
    if (!found) continue;
    removals.remove(*found);
    if (!replaced.contains(ids.text(i))) ++count;
  }
  return count;
}

/// Whether two states of one folder have the same documents.
bool same_contents(const Snapshot& a, const Snapshot& b) {
  return std::equal(
      a.segments.begin(), a.segments.end(), b.segments.begin(), b.segments.end(),
      [](const IndexSegment& one, const IndexSegment& other) { return one.segment == other.segment && one.removed == other.removed; });
}

/// ERR_DIMENSION_MISMATCH or ERR_INVALID_ARGUMENT when an index is another one than is asked for.
Status check_settings(const std::string& path, const IndexSettings& found, std::optional<std::size_t> dimension,
                      const std::optional<Bm25>& lexical) {
  if (dimension && *dimension != found.dimension) {
    return Error{"ERR_DIMENSION_MISMATCH", path + " holds an index of " + std::to_string(found.dimension) + " dimensions, not " +
                                               std::to_string(*dimension) + "; another model made it."};
  }
  if (lexical == found.lexical) return std::nullopt;
  const auto named = [](const std::optional<Bm25>& side) {
    return side ? "BM25 with k1 = " + std::to_string(side->k1) + " and b = " + std::to_string(side->b) : std::string("no lexical side");
  };
  return Error{"ERR_INVALID_ARGUMENT",
               path + " holds an index with " + named(found.lexical) + ", not with " + named(lexical) + "; build it again to change that."};
}

/// 0 for 1 to 7 documents, 1 for up to 63, …
std::size_t size_class(std::size_t documents) {
  std::size_t result = 0;
  for (; documents >= kMergedSegments; documents /= kMergedSegments) ++result;
  return result;
}

/// Neighboring segments [first, last) that should become one; empty if none should. Only neighbors, since the order of segments is the
/// order of insertion.
struct Neighbours {
  std::size_t first = 0;
  std::size_t last = 0;
};

Neighbours due(const Snapshot& snapshot) {
  const std::vector<IndexSegment>& segments = snapshot.segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    // Half of it is gone: writing the rest again pays.
    if (segments[i].removed_count > segments[i].live()) return {i, i + 1};
  }
  // The newest segments of a size class or below it. Each document is written again once for each class, so log8 of all documents times.
  std::size_t largest = 0;
  for (const IndexSegment& segment : segments) largest = std::max(largest, size_class(segment.live()));
  for (std::size_t level = 0; level <= largest; ++level) {
    std::size_t first = segments.size();
    while (first > 0 && size_class(segments[first - 1].live()) <= level) --first;
    if (segments.size() - first >= kMergedSegments) return {first, segments.size()};
  }
  return {};
}

/// Everything, unless it is one segment of which nothing was removed.
Neighbours all(const Snapshot& snapshot) {
  const std::vector<IndexSegment>& segments = snapshot.segments;
  const bool compact = segments.size() == 1 && segments.front().removed_count == 0;
  return {0, compact ? 0 : segments.size()};
}

}  // namespace

SegmentedIndex::SegmentedIndex(Snapshot snapshot, std::optional<IndexFolder> folder, bool read_only, std::string read_folder)
    : settings_(snapshot.settings),
      read_only_(read_only),
      read_folder_(std::move(read_folder)),
      folder_(std::move(folder)),
      snapshot_(std::make_shared<const Snapshot>(std::move(snapshot))) {}

std::shared_ptr<SegmentedIndex> SegmentedIndex::create(const IndexSettings& settings) {
  return std::shared_ptr<SegmentedIndex>(new SegmentedIndex({settings, {}}, std::nullopt, false, ""));
}

Result<std::shared_ptr<SegmentedIndex>> SegmentedIndex::open(const std::string& path, const OpenOptions& options) {
  Snapshot snapshot;
  std::optional<IndexFolder> folder;
  std::string read_folder;
  if (Status error = check_path(path)) return *std::move(error);
  if (file_exists(path) && !is_directory(path)) {
    auto segment = Segment::open(path);
    if (!segment) return std::move(segment).error();
    snapshot.settings = segment.value()->settings();
    if (segment.value()->documents() > 0) snapshot.segments.push_back({std::move(segment).value(), nullptr, 0, 0});
  } else if (options.read_only) {
    Result<Snapshot> contents = IndexFolder::read(path, nullptr);
    if (!contents) return std::move(contents).error();
    snapshot = std::move(contents).value();
    read_folder = path;
  } else {
    std::optional<IndexSettings> create;
    if (options.dimension) create = IndexSettings{*options.dimension, options.lexical};
    Result<IndexFolder> opened = IndexFolder::open(path, create, snapshot);
    if (!opened) return std::move(opened).error();
    folder.emplace(std::move(opened).value());
  }
  if (Status error =
          check_settings(path, snapshot.settings, options.dimension, options.lexical ? options.lexical : snapshot.settings.lexical))
    return *std::move(error);
  return std::shared_ptr<SegmentedIndex>(
      new SegmentedIndex(std::move(snapshot), std::move(folder), options.read_only, std::move(read_folder)));
}

std::shared_ptr<const Snapshot> SegmentedIndex::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

Status SegmentedIndex::check_open() const {
  if (closed_) return Error{"ERR_DISPOSED", "the index was closed"};
  return std::nullopt;
}

Status SegmentedIndex::check_writable() const {
  if (Status error = check_open()) return error;
  if (read_only_) return Error{"ERR_READ_ONLY", "The index was opened with readOnly; open it without to change it."};
  return std::nullopt;
}

std::string SegmentedIndex::next_path(std::uint64_t& number) {
  if (!folder_) return "";
  number = folder_->new_number();
  return folder_->segment_path(number);
}

Status SegmentedIndex::publish(Snapshot next) {
  // Before the folder changes: nothing after that may run out of memory.
  auto published = std::make_shared<const Snapshot>(std::move(next));
  if (folder_) {
    if (Status error = folder_->commit(*published)) return error;
  }
  const std::lock_guard lock(snapshot_mutex_);
  snapshot_ = std::move(published);
  return std::nullopt;
}

Status SegmentedIndex::publish_removals(Snapshot next) {
  // A merge in progress counts on its sources following each other; it drops what is empty itself. Waiting for it here would be the wrong
  // order of locks.
  const std::unique_lock merge_lock(merge_mutex_, std::try_to_lock);
  if (!merge_lock.owns_lock() || merge_ != nullptr) return publish(std::move(next));
  std::vector<std::uint64_t> dropped;
  std::erase_if(next.segments, [&](const IndexSegment& segment) {
    if (segment.live() > 0) return false;
    dropped.push_back(segment.number);
    return true;
  });
  if (Status error = publish(std::move(next))) return error;
  if (!folder_) return std::nullopt;
  for (const std::uint64_t number : dropped) folder_->discard(number);
  return std::nullopt;
}

Status SegmentedIndex::check_batch(const DocumentBatch& batch) const {
  if (Status error = validate(batch.rows, dimension())) return error;
  if (batch.terms.has_value() != settings_.lexical.has_value()) {
    return Error{"ERR_INVALID_ARGUMENT", settings_.lexical ? "The index has a lexical side: documents need their terms."
                                                           : "The index has no lexical side: documents cannot have terms."};
  }
  if (!batch.terms) return std::nullopt;
  if (Status error = validate(*batch.terms)) return error;
  if (batch.terms->rows() == batch.rows.rows()) return std::nullopt;
  return Error{"ERR_INVALID_ARGUMENT", "There are " + std::to_string(batch.terms->rows()) + " rows of terms for " +
                                           std::to_string(batch.rows.rows()) + " documents."};
}

Result<std::size_t> SegmentedIndex::apply(const StringsView& removed, const DocumentBatch* added) {
  if (added != nullptr) {
    if (Status error = check_batch(*added)) return *std::move(error);
    if (added->rows.rows() == 0) added = nullptr;
  }
  const std::lock_guard lock(change_mutex_);
  if (Status error = check_writable()) return *std::move(error);
  Snapshot next = *snapshot();
  if (Status error = next.check_unchanged()) return *std::move(error);
  if (added != nullptr && added->rows.rows() > kMaxSlots - next.slots()) {
    return Error{"ERR_TOO_LARGE",
                 "An index holds at most " + std::to_string(kMaxSlots) + " documents, removed ones included until compact()."};
  }
  Removals removals(next);
  std::unordered_set<std::string_view> replaced;
  if (added != nullptr && removed.size() > 0) {
    for (std::size_t i = 0; i < added->ids.size(); ++i) replaced.insert(added->ids.text(i));
  }
  Result<std::size_t> count = remove_ids(next, removals, removed, replaced);
  if (!count) return count;
  if (added == nullptr) {
    if (count.value() == 0) return count;
    if (Status error = publish_removals(std::move(next))) return *std::move(error);
    return count;
  }
  if (const Result<std::size_t> old = remove_ids(next, removals, added->ids, {}); !old) return old.error();
  IndexSegment segment;
  const std::string path = next_path(segment.number);
  BatchRows rows(*added);
  auto built = build_segment(rows, settings_, path);
  if (!built) return std::move(built).error();
  segment.segment = std::move(built).value();
  next.segments.push_back(segment);
  if (Status error = publish_removals(std::move(next))) {
    if (folder_) folder_->discard(segment.number);
    return *std::move(error);
  }
  return count;
}

Status SegmentedIndex::add(const DocumentBatch& batch) {
  const Result<std::size_t> applied = apply({}, &batch);
  return applied ? Status() : Status(applied.error());
}

Result<std::size_t> SegmentedIndex::remove_matching(const FilterView& filter) {
  const std::lock_guard lock(change_mutex_);
  if (Status error = check_writable()) return *std::move(error);
  Snapshot next = *snapshot();
  if (Status error = next.check_unchanged()) return *std::move(error);
  Removals removals(next);
  std::size_t count = 0;
  for (std::size_t i = 0; i < next.segments.size(); ++i) {
    const auto excluded = next.excluded(next.segments[i], &filter);
    if (!excluded) return excluded.error();
    for (std::uint32_t document = 0; document < next.segments[i].segment->documents(); ++document) {
      if (test_bit(*excluded.value(), document)) continue;
      removals.remove({i, document});
      ++count;
    }
  }
  if (count == 0) return count;
  if (Status error = publish_removals(std::move(next))) return *std::move(error);
  return count;
}

Result<bool> SegmentedIndex::refresh() {
  const std::lock_guard lock(change_mutex_);
  if (Status error = check_open()) return *std::move(error);
  if (read_folder_.empty()) return false;
  const std::shared_ptr<const Snapshot> current = snapshot();
  Result<Snapshot> contents = IndexFolder::read(read_folder_, current.get());
  if (!contents) return std::move(contents).error();
  Snapshot& next = contents.value();
  if (Status error = check_settings(read_folder_, next.settings, dimension(), settings_.lexical)) return *std::move(error);
  if (same_contents(*current, next)) return false;
  auto refreshed = std::make_shared<const Snapshot>(std::move(next));
  const std::lock_guard snapshot_lock(snapshot_mutex_);
  snapshot_ = std::move(refreshed);
  return true;
}

Result<MergeStep> SegmentedIndex::merge_step(bool everything) {
  const std::lock_guard lock(merge_mutex_);
  if (merge_ == nullptr) {
    if (Status error = begin_merge(everything)) return *std::move(error);
    return merge_ == nullptr ? MergeStep::kNothing : MergeStep::kMore;
  }
  // A step that fails, or throws, ends the merge.
  std::unique_ptr<SegmentMerge> merge = std::move(merge_);
  const Result<bool> done = merge->step();
  if (!done) return done.error();
  if (!done.value()) {
    merge_ = std::move(merge);
    return MergeStep::kMore;
  }
  if (Status error = install_merge(*merge)) return *std::move(error);
  return MergeStep::kMerged;
}

Status SegmentedIndex::begin_merge(bool everything) {
  const std::lock_guard lock(change_mutex_);
  if (Status error = check_writable()) return error;
  const std::shared_ptr<const Snapshot> current = snapshot();
  if (Status error = current->check_unchanged()) return error;
  const Neighbours chosen = everything ? all(*current) : due(*current);
  if (chosen.first == chosen.last) return std::nullopt;
  const auto begin = current->segments.begin();
  const std::string path = next_path(merge_number_);
  auto merge = SegmentMerge::begin({begin + static_cast<std::ptrdiff_t>(chosen.first), begin + static_cast<std::ptrdiff_t>(chosen.last)},
                                   settings_, path);
  if (!merge) return std::move(merge).error();
  merge_ = std::move(merge).value();
  return std::nullopt;
}

Status SegmentedIndex::install_merge(SegmentMerge& merge) {
  IndexSegment merged = {merge.take(), nullptr, 0, merge_number_};

  const std::lock_guard lock(change_mutex_);
  if (Status error = check_writable()) {
    if (folder_) folder_->discard(merge_number_);
    return error;
  }
  const std::vector<IndexSegment>& sources = merge.rows().segments();
  const std::vector<Location>& origins = merge.rows().origins();
  const Snapshot current = *snapshot();
  // Segments only ever join at the end or through a merge, and there is one merge at a time: the sources still follow each other.
  const auto first = std::find_if(current.segments.begin(), current.segments.end(),
                                  [&](const IndexSegment& other) { return other.segment == sources.front().segment; });
  const auto last = first + static_cast<std::ptrdiff_t>(sources.size());

  // What was removed since the merge began.
  Snapshot next{current.settings, {}};
  next.segments.assign(current.segments.begin(), first);
  const std::size_t place = next.segments.size();
  next.segments.push_back(merged);
  {
    Removals removals(next);
    for (std::size_t i = 0; i < origins.size(); ++i) {
      if ((first + static_cast<std::ptrdiff_t>(origins[i].segment))->is_removed(origins[i].document)) {
        removals.remove({place, static_cast<std::uint32_t>(i)});
      }
    }
  }
  if (next.segments.back().live() == 0) next.segments.pop_back();
  const bool kept = next.segments.size() > place;
  next.segments.insert(next.segments.end(), last, current.segments.end());
  if (Status error = publish(std::move(next))) {
    if (folder_) folder_->discard(merge_number_);
    return error;
  }
  if (!folder_) return std::nullopt;
  for (const IndexSegment& source : sources) folder_->discard(source.number);
  if (!kept) folder_->discard(merge_number_);
  return std::nullopt;
}

IndexStats SegmentedIndex::stats() const {
  const std::shared_ptr<const Snapshot> current = snapshot();
  IndexStats stats{current->documents(), 0, 0, 0, current->segments.size(), {}};
  for (const IndexSegment& segment : current->segments) {
    stats.postings += segment.segment->weights();
    stats.bytes += segment.segment->bytes();
    stats.hot_bytes += segment.segment->hot_bytes();
  }
  std::transform(kRecallTargets.begin(), kRecallTargets.end(), stats.reached.begin(),
                 [&](double target) { return current->reached(target); });
  return stats;
}

void SegmentedIndex::close() {
  const std::lock_guard merge_lock(merge_mutex_);
  const std::lock_guard lock(change_mutex_);
  closed_ = true;
  merge_.reset();
  folder_.reset();
}

}  // namespace sparse_rerank
