#pragma once

#include <string>
#include <string_view>

/// Names for files being written, which get their final name by a rename. Paths are UTF-8.
namespace sparse_rerank {

/// PATH.<16 hexadecimal digits>.tmp, chosen at random, so that writers of the same file, in this process or another, do not collide.
[[nodiscard]] std::string temporary_name(const std::string& path);

/// Removes files named by temporary_name() in a folder that have not been written to for a day: the process that created them has ended.
/// @param file only temporary files of this file; empty for all
void remove_abandoned(const std::string& folder, std::string_view file);

}  // namespace sparse_rerank
