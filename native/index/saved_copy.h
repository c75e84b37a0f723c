#pragma once

#include <atomic>
#include <string>

#include "core/result.h"
#include "index/snapshot.h"

/// Copies of a snapshot on disk. `cancel` may be null. Errors: ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_ABORTED.
namespace sparse_rerank {

/// Writes all documents to a file that SegmentedIndex::open() reads. Atomic: a crash leaves the old file or the new one, and of two calls
/// for one path the last to end counts. What calls left there whose process ended is removed.
[[nodiscard]] Status save_file(const Snapshot& snapshot, const std::string& path, const std::atomic<bool>* cancel);

/// Writes all documents to a folder that has no documents yet; it is made where there is none. Errors also: those of IndexFolder::open().
[[nodiscard]] Status save_folder(const Snapshot& snapshot, const std::string& path, const std::atomic<bool>* cancel);

}  // namespace sparse_rerank
