#pragma once

#include <cstddef>

namespace sparse_rerank {

/// Whether discard_pages() frees memory on this system.
#ifdef __linux__
inline constexpr bool kDiscardsPages = true;
#else
inline constexpr bool kDiscardsPages = false;
#endif

/// Frees the whole pages of private memory within [data, data + size), which then reads as zeros and can be written again. The bytes around
/// them keep their values.
/// @return how many bytes were freed
std::size_t discard_pages(void* data, std::size_t size);

}  // namespace sparse_rerank
