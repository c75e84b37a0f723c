#pragma once

#include <filesystem>
#include <string>

namespace sparse_rerank {

#ifdef _WIN32
/// Converts UTF-8 to the UTF-16 of the Windows interfaces.
std::wstring to_wide(const std::string& utf8);
#endif

[[nodiscard]] std::filesystem::path to_path(const std::string& utf8);
[[nodiscard]] std::string to_utf8(const std::filesystem::path& path);

/// The system's message for an errno value (or a Windows error code).
std::string system_message(int code);

}  // namespace sparse_rerank
