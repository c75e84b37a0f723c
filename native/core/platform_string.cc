#include "core/platform_string.h"

#include <system_error>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#endif

namespace sparse_rerank {

#ifdef _WIN32
std::wstring to_wide(const std::string& utf8) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), nullptr, 0);
  std::wstring wide(static_cast<std::size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), static_cast<int>(utf8.size()), wide.data(), length);
  return wide;
}
#endif

std::filesystem::path to_path(const std::string& utf8) {
  return {std::u8string(utf8.begin(), utf8.end())};
}

std::string to_utf8(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

std::string system_message(int code) {
  return std::error_code(code, std::system_category()).message();
}

}  // namespace sparse_rerank
