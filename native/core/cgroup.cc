#include "core/cgroup.h"

#ifdef __linux__
#include <fstream>
#endif

namespace sparse_rerank {

#ifdef __linux__
namespace {

// The list with a comma on both sides of every name, so that a name can be searched for whole.
std::string between_commas(std::string_view list) {
  std::string result = ",";
  result += list;
  result += ',';
  return result;
}

}  // namespace
#endif

void visit_cgroups([[maybe_unused]] std::string_view controller,
                   [[maybe_unused]] const std::function<void(const std::string& folder, bool unified)>& visit) {
#ifdef __linux__
  const std::string wanted = between_commas(controller);
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // hierarchy-ID:controllers:path; the unified hierarchy has ID 0 and no controllers.
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = between_commas(std::string_view(line).substr(first + 1, second - first - 1));
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(wanted) == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + std::string(controller);
    std::string path = line.substr(second + 1);
    while (true) {
      visit(root + path, unified);
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) break;
      path.resize(slash);
    }
  }
#endif
}

}  // namespace sparse_rerank
