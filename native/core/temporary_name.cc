#include "core/temporary_name.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <system_error>

#include "core/digest.h"
#include "core/platform_string.h"

namespace sparse_rerank {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".tmp";
constexpr std::size_t kDigits = 16;
/// No write takes this long.
constexpr auto kAbandoned = std::chrono::hours(24);

/// Earlier releases used more digits.
bool is_temporary(std::string_view name, std::string_view file) {
  if (!name.ends_with(kEnding)) return false;
  name.remove_suffix(kEnding.size());
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.size() - dot - 1 < kDigits) return false;
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(), is_digit) &&
         (file.empty() || name.substr(0, dot) == file);
}

}  // namespace

std::string temporary_name(const std::string& path) {
  std::random_device random;
  const std::uint64_t number = (std::uint64_t{random()} << 32) | random();
  return path + "." + Digest{0, number}.hex().substr(0, kDigits) + std::string(kEnding);
}

void remove_abandoned(const std::string& folder, std::string_view file) {
  std::error_code error;
  fs::directory_iterator entry(to_path(folder), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (!is_temporary(to_utf8(entry->path().filename()), file)) continue;
    std::error_code ignored;
    const auto written = fs::last_write_time(entry->path(), ignored);
    if (!ignored && fs::file_time_type::clock::now() - written > kAbandoned) fs::remove(entry->path(), ignored);
  }
}

}  // namespace sparse_rerank
