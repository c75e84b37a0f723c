#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"

namespace sparse_rerank {

class KeptPrefix;

/// Token ids of several sequences, flattened: sequence i is ids[offsets[i] .. offsets[i + 1]).
struct Sequences {
  std::vector<std::int32_t> ids;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint8_t> type_ids;        // like ids, or empty for all zero
  std::vector<double> bytes;                 // working memory that each sequence needs, or empty if unknown
  std::shared_ptr<const KeptPrefix> prefix;  // from which the runs of sequences that begin with it continue, or null

  [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
  [[nodiscard]] std::size_t length(std::size_t i) const { return offsets[i + 1] - offsets[i]; }
  [[nodiscard]] std::span<const std::int32_t> ids_of(std::size_t i) const { return std::span(ids).subspan(offsets[i], length(i)); }
  /// Number of tokens of sequence i that its run leaves out, since they are the prefix.
  [[nodiscard]] std::size_t kept(std::size_t i) const;

  /// Checks that the offsets ascend from 0 to the number of ids, that no sequence is empty, that there is a type id per id, and a byte
  /// count per sequence.
  [[nodiscard]] Status check() const;
  /// Whether a sequence needs so much memory that keeping it for later runs would be wasteful.
  [[nodiscard]] bool has_large() const;
};

}  // namespace sparse_rerank
