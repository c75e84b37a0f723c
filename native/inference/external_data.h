#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// The external data locations in a serialized ModelProto, one per tensor. Malformed parts are skipped: ONNX Runtime rejects them.
[[nodiscard]] std::vector<std::string> external_locations(std::span<const std::byte> model);

/// Rejects an ONNX file that is not a regular file, or whose external data is not in regular files: ONNX Runtime would wait forever for a
/// pipe. Missing files pass, since ONNX Runtime reports them itself. Errors: those of require_regular_file().
[[nodiscard]] Status check_onnx_files(const std::string& path);

}  // namespace sparse_rerank
