#include "inference/sequences.h"

#include <algorithm>

#include "inference/kept_prefix.h"

namespace sparse_rerank {

Status Sequences::check() const {
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != ids.size() || !std::is_sorted(offsets.begin(), offsets.end())) {
    return Error{"ERR_INVALID_ARGUMENT", "Token offsets must ascend from 0 to the number of ids."};
  }
  if (std::adjacent_find(offsets.begin(), offsets.end()) != offsets.end()) {
    return Error{"ERR_INVALID_ARGUMENT", "A sequence has no tokens."};
  }
  if (!type_ids.empty() && type_ids.size() != ids.size()) return Error{"ERR_INVALID_ARGUMENT", "Every id needs a type id."};
  const auto countable = [](double number) { return number >= 0 && number < 9e15; };
  if (!bytes.empty() && (bytes.size() != size() || !std::all_of(bytes.begin(), bytes.end(), countable))) {
    return Error{"ERR_INVALID_ARGUMENT", "Every sequence needs a byte count."};
  }
  return std::nullopt;
}

std::size_t Sequences::kept(std::size_t i) const {
  return prefix && prefix->begins(ids_of(i)) ? prefix->ids().size() : 0;
}

bool Sequences::has_large() const {
  constexpr double kLarge = 256 << 20;
  return std::any_of(bytes.begin(), bytes.end(), [](double number) { return number > kLarge; });
}

}  // namespace sparse_rerank
