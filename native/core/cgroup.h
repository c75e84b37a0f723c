#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sparse_rerank {

/// Linux: visits the folder of this process's cgroup with `controller` ("cpu", "memory"), then those of its ancestors, whose limits apply
/// too. `unified` is true for version 2 of the interface and false for version 1, whose files have other names.
void visit_cgroups(std::string_view controller, const std::function<void(const std::string& folder, bool unified)>& visit);

}  // namespace sparse_rerank
