#include "index/saved_copy.h"

#include <memory>
#include <utility>

#include "core/durable_file.h"
#include "core/platform_string.h"
#include "core/temporary_name.h"
#include "index/cancel.h"
#include "index/index_folder.h"
#include "index/segment_merge.h"

namespace sparse_rerank {

namespace {

/// All documents as one segment in a new file. Errors: ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_ABORTED.
Result<std::shared_ptr<const Segment>> write_all(const Snapshot& snapshot, const std::string& path, const std::atomic<bool>* cancel) {
  if (Status error = snapshot.check_unchanged()) return *std::move(error);
  auto merge = SegmentMerge::begin(snapshot.segments, snapshot.settings, path);
  if (!merge) return std::move(merge).error();
  while (true) {
    if (is_cancelled(cancel)) return aborted();
    const Result<bool> done = merge.value()->step();
    if (!done) return done.error();
    if (done.value()) return merge.value()->take();
  }
}

}  // namespace

Status save_file(const Snapshot& snapshot, const std::string& path, const std::atomic<bool>* cancel) {
  if (Status error = check_path(path)) return error;
  if (file_exists(path)) {
    // A rename would replace a device or a pipe.
    if (Status error = require_regular_file(path)) return Error{"ERR_FILE_UNWRITABLE", error->message};
  }
  const std::string folder = parent_directory(path);
  remove_abandoned(folder, to_utf8(to_path(path).filename()));
  const std::string new_path = temporary_name(path);
  // The file stays, and is no longer mapped.
  if (const auto written = write_all(snapshot, new_path, cancel); !written) return written.error();
  if (Status error = rename_file(new_path, path)) {
    remove_file(new_path);
    return error;
  }
  return sync_directory(folder);
}

Status save_folder(const Snapshot& snapshot, const std::string& path, const std::atomic<bool>* cancel) {
  if (Status error = check_path(path)) return error;
  Snapshot contents;
  Result<IndexFolder> folder = IndexFolder::open(path, snapshot.settings, contents);
  if (!folder) return std::move(folder).error();
  if (!contents.segments.empty()) return Error{"ERR_FILE_UNWRITABLE", path + " holds another index; choose a new folder."};
  IndexSegment all;
  all.number = folder.value().new_number();
  auto written = write_all(snapshot, folder.value().segment_path(all.number), cancel);
  if (!written) return std::move(written).error();
  all.segment = std::move(written).value();
  if (all.live() == 0) {
    folder.value().discard(all.number);
    return std::nullopt;
  }
  return folder.value().commit({snapshot.settings, {all}});
}

}  // namespace sparse_rerank
