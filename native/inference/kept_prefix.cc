#include "inference/kept_prefix.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/memory_budget.h"

namespace sparse_rerank {

namespace {

constexpr std::size_t kShareOfBudget = 8;

/// Bytes of all prefixes of the process.
std::atomic<std::size_t> kept_bytes{0};

bool reserve(std::size_t bytes) {
  const std::size_t most = MemoryBudget::instance().limit() / kShareOfBudget;
  std::size_t current = kept_bytes.load(std::memory_order_relaxed);
  do {
    if (bytes > most || current > most - bytes) return false;
  } while (!kept_bytes.compare_exchange_weak(current, current + bytes, std::memory_order_relaxed));
  return true;
}

/// Without tokens there is no memory, but a tensor needs an address.
std::byte no_memory{};

}  // namespace

Result<std::shared_ptr<KeptPrefix>> KeptPrefix::allocate(const Runtime& runtime, const PrefixSpec& spec, std::vector<std::int32_t> ids) {
  const std::size_t tokens = ids.size();
  const std::size_t per_token = 2 * spec.layers * spec.heads * spec.head_size;
  if (tokens > 0 && tokens > std::numeric_limits<std::size_t>::max() / sizeof(float) / std::max<std::size_t>(per_token, 1))
    return {nullptr};
  const std::size_t bytes = tokens * per_token * sizeof(float);
  if (!reserve(bytes)) return {nullptr};
  std::shared_ptr<KeptPrefix> prefix(new KeptPrefix(std::move(ids), spec.pad));
  prefix->reserved_ = bytes;
  prefix->values_ = AlignedBuffer<float>(tokens * per_token);
  const TensorType type{
      ort::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
      {1, static_cast<std::int64_t>(spec.heads), static_cast<std::int64_t>(tokens), static_cast<std::int64_t>(spec.head_size)}};
  const std::size_t size = type.count();
  for (std::size_t i = 0; i < 2 * spec.layers; ++i) {
    const auto data =
        size == 0 ? std::span<const std::byte>(&no_memory, 0) : std::as_bytes(std::span(prefix->values_.data() + i * size, size));
    auto tensor = wrap_tensor(runtime, data, type);
    if (!tensor) return std::move(tensor).error();
    prefix->tensors_.push_back(std::move(tensor).value());
  }
  return prefix;
}

KeptPrefix::~KeptPrefix() {
  kept_bytes.fetch_sub(reserved_, std::memory_order_relaxed);
}

bool KeptPrefix::begins(std::span<const std::int32_t> sequence) const {
  if (sequence.size() <= ids_.size() || !std::equal(ids_.begin(), ids_.end(), sequence.begin())) return false;
  const auto rest = sequence.subspan(ids_.size());
  return !pad_ || std::any_of(rest.begin(), rest.end(), [&](std::int32_t id) { return id != *pad_; });
}

Result<std::unique_ptr<const PrefixPorts>> PrefixPorts::create(const Runtime& runtime, const PrefixSpec& spec) {
  auto nothing = KeptPrefix::allocate(runtime, spec, {});
  if (!nothing) return std::move(nothing).error();
  auto ports = std::make_unique<PrefixPorts>();
  ports->spec = spec;
  ports->nothing = std::move(nothing).value();
  for (std::size_t i = 0; i < 2 * spec.layers; ++i) {
    ports->past_names.push_back("past_" + std::to_string(i));
    ports->kept_names.push_back("kept_" + std::to_string(i));
  }
  return std::unique_ptr<const PrefixPorts>(std::move(ports));
}

}  // namespace sparse_rerank
