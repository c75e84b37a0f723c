#include "index/index_folder.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "core/mapped_file.h"

namespace sparse_rerank {

namespace {

constexpr const char* kManifest = "manifest";
constexpr const char* kNewManifest = "manifest.new";
constexpr const char* kLock = "lock";
constexpr const char* kSegmentPrefix = "segment-";

std::string join(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

/// Whether a name is one that segment_file() gives.
bool is_segment(std::string_view name) {
  if (!name.starts_with(kSegmentPrefix)) return false;
  name.remove_prefix(std::string_view(kSegmentPrefix).size());
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string segment_file(const std::string& folder, std::uint64_t number) {
  return join(folder, kSegmentPrefix + std::to_string(number));
}

/// Nothing where there is no folder, or one with neither a manifest nor segments.
Result<std::optional<Manifest>> find_manifest(const std::string& folder) {
  const std::string path = join(folder, kManifest);
  const Result<MappedFile> file = MappedFile::open(path);
  if (file) {
    Result<Manifest> manifest = Manifest::decode(file.value().bytes(), path);
    if (!manifest) return std::move(manifest).error();
    return std::optional(std::move(manifest).value());
  }
  if (std::string_view(file.error().code) != "ERR_FILE_NOT_FOUND") return file.error();
  if (!is_directory(folder)) return std::optional<Manifest>();
  const auto names = list_directory(folder);
  if (!names) return names.error();
  if (std::any_of(names.value().begin(), names.value().end(), is_segment)) {
    return Error{"ERR_INDEX_CORRUPT", folder + " has segments but no manifest, so which of them count is unknown; restore " + path +
                                          " from a copy, or build the index again in another folder."};
  }
  return std::optional<Manifest>();
}

Error no_index(const std::string& folder) {
  return {"ERR_FILE_NOT_FOUND", folder + " holds no index (" + join(folder, kManifest) + " is missing); give a dimension to create one."};
}

/// The segment of a number as it is open already; nothing when it is not, or its file was replaced.
const IndexSegment* find_known(const Snapshot* known, std::uint64_t number, const std::string& path) {
  if (known == nullptr) return nullptr;
  for (const IndexSegment& segment : known->segments) {
    if (segment.number == number && segment.segment->is_file(path)) return &segment;
  }
  return nullptr;
}

Result<IndexSegment> open_segment(const std::string& path, const ManifestSegment& listed, const IndexSettings& settings,
                                  const Snapshot* known) {
  IndexSegment entry;
  if (const IndexSegment* const open = find_known(known, listed.number, path)) {
    entry = *open;
  } else {
    auto segment = Segment::open(path);
    if (!segment) return std::move(segment).error();
    entry.segment = std::move(segment).value();
    entry.number = listed.number;
  }
  if (entry.segment->documents() != listed.documents || entry.segment->settings() != settings) {
    return Error{"ERR_INDEX_CORRUPT",
                 path + " is not the file that the manifest tells of; restore the folder from a copy, or build the index again."};
  }
  // Nothing comes back but in a folder that was restored from a copy.
  if (listed.removed_count < entry.removed_count) entry = {entry.segment, nullptr, 0, listed.number};
  if (listed.removed_count > 0 && (entry.removed == nullptr || *entry.removed != listed.removed)) {
    entry.set_removed(std::make_shared<Bitmap>(listed.removed), static_cast<std::uint32_t>(listed.removed_count));
  }
  return entry;
}

Result<Snapshot> open_segments(const std::string& folder, const Manifest& manifest, const Snapshot* known) {
  Snapshot snapshot{manifest.settings, {}};
  for (const ManifestSegment& listed : manifest.segments) {
    Result<IndexSegment> segment = open_segment(segment_file(folder, listed.number), listed, manifest.settings, known);
    if (!segment) return std::move(segment).error();
    snapshot.segments.push_back(std::move(segment).value());
  }
  return snapshot;
}

}  // namespace

Result<IndexFolder> IndexFolder::open(const std::string& path, const std::optional<IndexSettings>& create, Snapshot& contents) {
  if (create && !is_directory(path)) {
    if (Status error = make_directory(path)) return *std::move(error);
    if (Status error = sync_directory(parent_directory(path))) return *std::move(error);
  }
  if (!is_directory(path))
    return Error{"ERR_FILE_NOT_FOUND", "There is no folder " + path + "; give a dimension to create an index there."};
  Result<FileLock> lock = FileLock::acquire(join(path, kLock));
  if (!lock) return std::move(lock).error();
  IndexFolder folder(path, std::move(lock).value());
  Result<std::optional<Manifest>> found = find_manifest(path);
  if (!found) return std::move(found).error();
  std::optional<Manifest>& manifest = found.value();
  if (!manifest) {
    if (!create) return no_index(path);
    folder.manifest_.settings = *create;
    contents = {*create, {}};
    if (Status error = folder.commit(contents)) return *std::move(error);
    return folder;
  }
  folder.manifest_ = *std::move(manifest);
  Result<Snapshot> opened = open_segments(path, folder.manifest_, nullptr);
  if (!opened) return std::move(opened).error();
  contents = std::move(opened).value();
  folder.remove_leftovers();
  return folder;
}

Result<Snapshot> IndexFolder::read(const std::string& path, const Snapshot* known) {
  // A writer may replace segments between the two steps; the next manifest tells of the new ones.
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    const Result<std::optional<Manifest>> found = find_manifest(path);
    if (!found) return found.error();
    const std::optional<Manifest>& manifest = found.value();
    if (!manifest) return no_index(path);
    Result<Snapshot> snapshot = open_segments(path, *manifest, known);
    if (snapshot || attempt == kAttempts) return snapshot;
  }
}

std::string IndexFolder::segment_path(std::uint64_t number) const {
  return segment_file(path_, number);
}

void IndexFolder::remove_leftovers() const {
  const auto names = list_directory(path_);
  if (!names) return;
  for (const std::string& name : names.value()) {
    const bool listed = std::any_of(manifest_.segments.begin(), manifest_.segments.end(), [&](const ManifestSegment& segment) {
      return name == kSegmentPrefix + std::to_string(segment.number);
    });
    if (name == kNewManifest || (is_segment(name) && !listed)) remove_file(join(path_, name));
  }
}

Status IndexFolder::commit(const Snapshot& next) {
  if (broken_) {
    return Error{"ERR_FILE_UNWRITABLE", "An earlier change of " + path_ + " failed half-way; open the index again to see what it holds."};
  }
  Manifest manifest;
  manifest.settings = manifest_.settings;
  manifest.next_number = manifest_.next_number;
  for (const IndexSegment& segment : next.segments) {
    manifest.segments.push_back(
        {segment.number, segment.segment->documents(), segment.removed_count, segment.removed_count > 0 ? *segment.removed : Bitmap()});
  }
  const std::string new_path = join(path_, kNewManifest);
  Result<FileWriter> file = FileWriter::create(new_path);
  if (!file) return std::move(file).error();
  if (Status error = file.value().write(manifest.encode())) return error;
  if (Status error = file.value().finish()) return error;
  // The names of the new files before the name that counts on them.
  if (Status error = sync_directory(path_)) return error;
  if (Status error = rename_file(new_path, join(path_, kManifest))) return error;
  manifest_ = std::move(manifest);
  if (Status error = sync_directory(path_)) {
    // Which manifest a crash would leave is unknown.
    broken_ = true;
    return error;
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
