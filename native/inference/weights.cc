#include "inference/weights.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "core/pages.h"
#include "kernels/kernels.h"

namespace sparse_rerank {

void copy_floats(const std::byte* data, WeightType type, std::size_t count, float* out) {
  if (count == 0) return;
  if (type == WeightType::kF32) {
    std::memcpy(out, data, count * sizeof(float));
    return;
  }
  // safetensors does not guarantee alignment, which the kernels' 16-bit loads require.
  const auto* halves = reinterpret_cast<const std::uint16_t*>(data);
  std::vector<std::uint16_t> realigned;
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(std::uint16_t) != 0) {
    realigned.resize(count);
    std::memcpy(realigned.data(), data, count * sizeof(std::uint16_t));
    halves = realigned.data();
  }
  const auto widen = type == WeightType::kF16 ? kernels().widen_f16 : kernels().widen_bf16;
  widen(halves, count, out);
}

Result<Weights> Weights::open(std::span<const std::string> paths) {
  std::vector<MappedFile> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) {
    auto file = MappedFile::open(path);
    if (!file) return std::move(file).error();
    files.push_back(std::move(file).value());
  }
  return Weights(paths, std::move(files));
}

Result<std::span<const std::byte>> Weights::bytes(const TensorLocation& location) const {
  const Error outside{"ERR_INVALID_WEIGHTS", "A tensor lies outside its weight file; was the file replaced while it was being loaded?"};
  if (location.file >= files_.size()) return outside;
  const std::span<const std::byte> file = files_[location.file].bytes();
  const std::size_t width = element_bytes(location.type);
  if (location.offset > file.size()) return outside;
  const std::size_t available = (file.size() - location.offset) / width;
  std::size_t count = 1;
  for (const std::int64_t dimension : location.shape) {
    if (dimension < 0 || (dimension > 0 && count > available / static_cast<std::size_t>(dimension))) return outside;
    count *= static_cast<std::size_t>(dimension);
  }
  return file.subspan(location.offset, count * width);
}

Result<std::span<const float>> Weights::tensor(const TensorLocation& location) {
  const auto bytes = this->bytes(location);
  if (!bytes) return bytes.error();
  const std::size_t count = bytes.value().size() / element_bytes(location.type);
  const std::byte* data = bytes.value().data();
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0;
  if (location.type == WeightType::kF32 && aligned) return std::span(reinterpret_cast<const float*>(data), count);

  const auto [entry, is_new] = widened_.try_emplace(key_of(location, WeightType::kF32));
  AlignedBuffer<float>& copy = entry->second;
  if (is_new) {
    copy = AlignedBuffer<float>(count);
    copy_floats(data, location.type, count, copy.data());
  }
  return std::span<const float>(copy.data(), count);
}

std::uint16_t half_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return sign | 0x7e00U;  // NaN
  // 65520 is halfway between the largest fp16 and the next step.
  if (magnitude >= 0x477ff000U) return sign | 0x7c00U;
  if (magnitude < 0x38800000U) {
    // Below 2^-14 fp16 has steps of 2^-24, like floats near 0.5, so adding 0.5 rounds.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
}

std::uint16_t bfloat_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);  // NaN
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

Result<std::span<const std::uint16_t>> Weights::narrowed(const TensorLocation& location, WeightType type) {
  const auto bytes = this->bytes(location);
  if (!bytes) return bytes.error();
  const std::size_t count = bytes.value().size() / element_bytes(location.type);
  const std::byte* data = bytes.value().data();
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % alignof(std::uint16_t) == 0;
  if (location.type == type && aligned) return std::span(reinterpret_cast<const std::uint16_t*>(data), count);

  const auto [entry, is_new] = narrowed_.try_emplace(key_of(location, type));
  AlignedBuffer<std::uint16_t>& copy = entry->second;
  if (is_new) {
    copy = AlignedBuffer<std::uint16_t>(count);
    constexpr std::size_t kBlock = 1 << 16;
    AlignedBuffer<float> widened(std::min(count, kBlock));
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      const std::size_t length = std::min(kBlock, count - begin);
      copy_floats(data + begin * element_bytes(location.type), location.type, length, widened.data());
      std::transform(widened.data(), widened.data() + length, copy.data() + begin, type == WeightType::kF16 ? half_of : bfloat_of);
    }
  }
  return std::span<const std::uint16_t>(copy.data(), count);
}

Weights::CopyKey Weights::key_of(const TensorLocation& location, WeightType to) {
  std::size_t count = 1;
  for (const std::int64_t dimension : location.shape) count *= static_cast<std::size_t>(dimension);
  return {location.file, location.offset, location.type, to, count};
}

void Weights::discard(const TensorLocation& location) {
  const CopyKey key = key_of(location, WeightType::kF32);
  const auto copy = widened_.find(key);
  if (copy == widened_.end() || !discarded_.insert(key).second) return;
  discarded_bytes_ += discard_pages(copy->second.data(), copy->second.size() * sizeof(float));
}

void Weights::restore() {
  for (const CopyKey& key : discarded_) {
    const std::byte* const data = files_[key.file].bytes().data() + key.offset;
    copy_floats(data, key.from, key.count, widened_.at(key).data());
  }
  discarded_.clear();
  discarded_bytes_ = 0;
}

Status Weights::check_unchanged() const {
  if (std::all_of(files_.begin(), files_.end(), [](const MappedFile& file) { return file.unchanged(); })) return std::nullopt;
  return Error{"ERR_INVALID_WEIGHTS",
               "A weight file of the model was written over while it was in use; load the model again, and replace its "
               "files only by a rename, never in place."};
}

std::size_t Weights::mapped_bytes() const {
  std::size_t sum = 0;
  for (const MappedFile& file : files_) sum += file.bytes().size();
  return sum;
}

std::size_t Weights::copied_bytes() const {
  std::size_t sum = 0;
  for (const auto& [key, copy] : widened_) sum += copy.size() * sizeof(float);
  for (const auto& [key, copy] : narrowed_) sum += copy.size() * sizeof(std::uint16_t);
  return sum - discarded_bytes_;
}

}  // namespace sparse_rerank
