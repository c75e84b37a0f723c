#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sparse_rerank {

/// XXH64 with seed 0 (the xxHash specification, "XXH64 Algorithm"): checksums of index files and hashes of ids. Any thread.
[[nodiscard]] std::uint64_t xxh64(std::span<const std::byte> bytes);

}  // namespace sparse_rerank
