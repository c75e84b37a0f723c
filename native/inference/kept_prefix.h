#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/result.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace sparse_rerank {

/// The keys and values that a graph keeps (lib/architectures/kept-prefix.ts).
struct PrefixSpec {
  std::size_t layers = 0;
  /// Heads of keys and values, and their size.
  std::size_t heads = 0;
  std::size_t head_size = 0;
  /// If present, the head reads the last token that is not this one.
  std::optional<std::int32_t> pad = std::nullopt;
};

/// The keys and values of the tokens that several sequences begin with. Immutable once filled; any number of runs may read it.
class KeptPrefix {
 public:
  /// Memory for the keys and values of `ids`, to be filled by a run. Null if those of the process would then take more than an eighth of
  /// the working-memory budget, in addition to it: prefixes live from the first to the last sequence of a call, and if they waited for one
  /// another's memory, calls could wait forever.
  static Result<std::shared_ptr<KeptPrefix>> allocate(const Runtime& runtime, const PrefixSpec& spec, std::vector<std::int32_t> ids);
  KeptPrefix(const KeptPrefix&) = delete;
  KeptPrefix& operator=(const KeptPrefix&) = delete;
  ~KeptPrefix();

  [[nodiscard]] std::span<const std::int32_t> ids() const { return ids_; }
  /// Whether a run can leave out these tokens of a sequence: it begins with them, and the head reads one of the others.
  [[nodiscard]] bool begins(std::span<const std::int32_t> sequence) const;
  /// The keys and the values of each layer, [1, heads, tokens, head size].
  [[nodiscard]] std::span<const Tensor> tensors() const { return tensors_; }

 private:
  KeptPrefix(std::vector<std::int32_t> ids, std::optional<std::int32_t> pad) : ids_(std::move(ids)), pad_(pad) {}

  const std::vector<std::int32_t> ids_;
  const std::optional<std::int32_t> pad_;
  std::size_t reserved_ = 0;
  AlignedBuffer<float> values_;
  std::vector<Tensor> tensors_;
};

/// The inputs and outputs of a session for keys and values.
struct PrefixPorts {
  static Result<std::unique_ptr<const PrefixPorts>> create(const Runtime& runtime, const PrefixSpec& spec);

  PrefixSpec spec;
  /// In the order of KeptPrefix::tensors().
  std::vector<std::string> past_names;
  std::vector<std::string> kept_names;
  /// Without tokens.
  std::shared_ptr<const KeptPrefix> nothing;
};

}  // namespace sparse_rerank
