#include "inference/external_data.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/durable_file.h"
#include "core/mapped_file.h"
#include "core/platform_string.h"

namespace sparse_rerank {

namespace {

/// The messages of onnx.proto that lead to external data.
enum class Message { kModel, kFunction, kGraph, kNode, kAttribute, kSparseTensor, kTensor, kEntry };

struct Child {
  Message parent;
  std::uint64_t field;
  Message child;
};

constexpr Child kChildren[] = {
    {Message::kModel, 7, Message::kGraph},
    {Message::kModel, 25, Message::kFunction},
    {Message::kFunction, 7, Message::kNode},
    {Message::kGraph, 1, Message::kNode},
    {Message::kGraph, 5, Message::kTensor},
    {Message::kGraph, 15, Message::kSparseTensor},
    {Message::kNode, 5, Message::kAttribute},
    {Message::kAttribute, 5, Message::kTensor},
    {Message::kAttribute, 6, Message::kGraph},
    {Message::kAttribute, 10, Message::kTensor},
    {Message::kAttribute, 11, Message::kGraph},
    {Message::kAttribute, 22, Message::kSparseTensor},
    {Message::kAttribute, 23, Message::kSparseTensor},
    {Message::kSparseTensor, 1, Message::kTensor},
    {Message::kSparseTensor, 2, Message::kTensor},
    {Message::kTensor, 13, Message::kEntry},
};

/// Limits graphs nested in attributes of graphs.
constexpr int kMaxDepth = 100;

/// Reads the fields of a serialized message one by one.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : bytes_(bytes) {}

  struct Field {
    std::uint64_t number;
    /// Empty for numbers.
    std::span<const std::byte> bytes;
  };

  /// Empty at the end of the message, or if the bytes are malformed.
  std::optional<Field> next() {
    const auto tag = varint();
    if (!tag) return std::nullopt;
    Field field = {*tag >> 3, {}};
    std::optional<std::uint64_t> length;
    switch (*tag & 7) {
      case 0:
        return varint() ? std::optional(field) : std::nullopt;
      case 1:
        length = 8;
        break;
      case 2:
        length = varint();
        break;
      case 5:
        length = 4;
        break;
      default:
        return std::nullopt;
    }
    if (!length || *length > bytes_.size()) return std::nullopt;
    if ((*tag & 7) == 2) field.bytes = bytes_.first(*length);
    bytes_ = bytes_.subspan(*length);
    return field;
  }

 private:
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint64_t>(bytes_.front());
      bytes_ = bytes_.subspan(1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::span<const std::byte> bytes_;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void collect(std::span<const std::byte> bytes, Message message, int depth, std::vector<std::string>& locations) {
  if (depth > kMaxDepth) return;
  Fields fields(bytes);
  std::string_view key;
  std::string_view value;
  while (const auto field = fields.next()) {
    if (message == Message::kEntry) {
      if (field->number == 1) key = text_of(field->bytes);
      if (field->number == 2) value = text_of(field->bytes);
      continue;
    }
    for (const Child& known : kChildren) {
      if (known.parent == message && known.field == field->number) collect(field->bytes, known.child, depth + 1, locations);
    }
  }
  if (key == "location") locations.emplace_back(value);
}

}  // namespace

std::vector<std::string> external_locations(std::span<const std::byte> model) {
  std::vector<std::string> locations;
  collect(model, Message::kModel, 0, locations);
  return locations;
}

Status check_onnx_files(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file) return file.error();
  const std::filesystem::path folder = to_path(path).parent_path();
  std::string checked;
  for (const std::string& location : external_locations(file.value().bytes())) {
    // Most tensors share one file.
    if (location == checked) continue;
    const std::string named = to_utf8(folder / to_path(location));
    if (Status error = check_path(location)) return error;
    if (!file_exists(named)) continue;
    if (Status error = require_regular_file(named)) return error;
    checked = location;
  }
  return std::nullopt;
}

}  // namespace sparse_rerank
