#pragma once

#include <string>

namespace sparse_rerank {

#ifdef _WIN32
/// UTF-8 to the UTF-16 of the Windows interfaces.
std::wstring to_wide(const std::string& utf8);
#endif

/// The system's message for an errno value (or a Windows error code).
std::string system_message(int code);

}  // namespace sparse_rerank
