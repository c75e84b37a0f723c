#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// The locations of external data that a serialised ModelProto names, each once for each tensor. What is malformed names none: ONNX Runtime
/// refuses it.
[[nodiscard]] std::vector<std::string> external_locations(std::span<const std::byte> model);

/// Refuses an ONNX file that is no regular file, or whose external data is not in regular files: ONNX Runtime would wait for a pipe without
/// end. What is absent passes, since ONNX Runtime says so itself. Errors: those of require_regular_file().
[[nodiscard]] Status check_onnx_files(const std::string& path);

}  // namespace sparse_rerank
