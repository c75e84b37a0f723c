#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sparse_rerank {

/// Linux: the folder of this process's cgroup that has `controller` ("cpu", "memory"), then those of its ancestors, whose limits bind too.
/// `unified` tells version 2 of the interface from version 1, whose files have other names.
void visit_cgroups(std::string_view controller, const std::function<void(const std::string& folder, bool unified)>& visit);

}  // namespace sparse_rerank
