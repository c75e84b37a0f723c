#pragma once

#include <string>
#include <string_view>

/// Names for files in the making, which get their own name by a rename. Paths are UTF-8.
namespace sparse_rerank {

/// PATH.<16 hexadecimal digits>.tmp, drawn by chance: writers of one file, in this process or another, do not meet.
[[nodiscard]] std::string temporary_name(const std::string& path);

/// Removes files of a folder that temporary_name() named and nobody has written to for a day: the process that made them has ended.
/// @param file those of this file; empty for all
void remove_abandoned(const std::string& folder, std::string_view file);

}  // namespace sparse_rerank
