#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

/// Token ids of several sequences, flattened: sequence i is ids[offsets[i] .. offsets[i + 1]).
struct Sequences {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> type_ids;  // like ids, or empty for all zero
  std::vector<double> bytes;           // working memory that each sequence needs, or empty where it is not known

  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t length(std::size_t i) const { return offsets[i + 1] - offsets[i]; }

  /// The offsets ascend from 0 to the number of ids, no sequence is empty, there are as many type ids as ids, and as many numbers of bytes
  /// as sequences.
  [[nodiscard]] Status check() const;
  /// Whether one needs so much memory that keeping it for later runs would be waste.
  [[nodiscard]] bool has_large() const;
};

}  // namespace sparse_rerank
