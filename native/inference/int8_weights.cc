#include "inference/int8_weights.h"

#include <utility>

#include "kernels/kernels.h"

namespace sparse_rerank {

namespace {

/// Incremented when the packed layout or the rounding changes, so that older files are not found.
constexpr std::uint64_t kFormat = 3;

struct Layer {
  LinearShape shape;
  WeightType type;
  std::span<const std::byte> weight;
  std::span<const float> bias;
};

Result<Layer> locate(const Int8LayerSpec& spec, Weights& weights) {
  const std::vector<std::int64_t>& shape = spec.weight.shape;
  if (shape.size() != 2) return Error{"ERR_TENSOR_MISMATCH", "The weight of a linear layer is not a matrix."};
  auto bytes = weights.bytes(spec.weight);
  if (!bytes) return std::move(bytes).error();
  Layer layer{{static_cast<std::size_t>(shape[0]), static_cast<std::size_t>(shape[1])}, spec.weight.type, bytes.value(), {}};
  if (layer.shape.inputs > LinearShape::kMostInputs) {
    return Error{"ERR_NOT_SUPPORTED", "A linear layer has " + std::to_string(layer.shape.inputs) +
                                          " inputs; dtype \"int8\" supports up to " + std::to_string(LinearShape::kMostInputs) +
                                          ". Load the model with dtype \"fp32\"."};
  }
  if (spec.bias) {
    auto bias = weights.tensor(*spec.bias);
    if (!bias) return std::move(bias).error();
    if (bias.value().size() != layer.shape.outputs) return Error{"ERR_TENSOR_MISMATCH", "A bias does not fit its linear layer."};
    layer.bias = bias.value();
  }
  return layer;
}

/// @param paths of the weight files: the author of a checkpoint can craft weights with the digest of another checkpoint, but does not
///   control its path
Digest key_of(std::span<const Layer> layers, std::span<const std::string> paths) {
  Digester digester;
  digester.add(kFormat);
  for (const std::string& path : paths) digester.add(std::as_bytes(std::span(path)));
  for (const Layer& layer : layers) {
    digester.add(layer.shape.outputs);
    digester.add(layer.shape.inputs);
    digester.add(static_cast<std::uint64_t>(layer.type));
    digester.add(layer.weight);
  }
  return digester.digest();
}

void pack(const Layer& layer, std::byte* packed) {
  Int8Packer packer(layer.shape, packed);
  AlignedBuffer<float> row(layer.shape.inputs);
  const std::size_t row_bytes = layer.shape.inputs * element_bytes(layer.type);
  for (std::size_t i = 0; i < layer.shape.outputs; ++i) {
    copy_floats(layer.weight.data() + i * row_bytes, layer.type, row.size(), row.data());
    packer.set_row(i, row.data());
  }
}

}  // namespace

Result<Int8Weights> Int8Weights::load(std::span<const Int8LayerSpec> specs, Weights& weights, const std::string& cache_folder) {
  std::vector<Layer> layers;
  layers.reserve(specs.size());
  std::size_t size = 0;
  for (const Int8LayerSpec& spec : specs) {
    auto layer = locate(spec, weights);
    if (!layer) return std::move(layer).error();
    size += layer.value().shape.packed_bytes();
    layers.push_back(std::move(layer).value());
  }

  Int8Weights result;
  const Digest key = cache_folder.empty() ? Digest() : key_of(layers, weights.paths());
  if (!cache_folder.empty()) result.stored_ = StoredFile::open(cache_folder, key, size);
  if (!result.stored_) {
    result.packed_ = AlignedBuffer<std::byte>(size);
    std::byte* packed = result.packed_.data();
    for (const Layer& layer : layers) {
      pack(layer, packed);
      packed += layer.shape.packed_bytes();
    }
    if (!cache_folder.empty() && StoredFile::write(cache_folder, key, {result.packed_.data(), size})) {
      result.stored_ = StoredFile::open(cache_folder, key, size);
      if (result.stored_) result.packed_ = {};
    }
  }

  const std::byte* packed = result.stored_ ? result.stored_->payload().data() : result.packed_.data();
  result.layers_.reserve(layers.size());
  for (const Layer& layer : layers) {
    result.layers_.emplace_back(kernels(), layer.shape, packed, layer.bias);
    packed += layer.shape.packed_bytes();
  }
  return result;
}

}  // namespace sparse_rerank
