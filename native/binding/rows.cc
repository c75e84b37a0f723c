#include "binding/rows.h"

#include "binding/convert.h"

namespace sparse_rerank::binding {

Rows copy_rows(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {copy_array<std::uint32_t>(object.Get("indptr"), "indptr"), copy_array<std::uint32_t>(object.Get("indices"), "indices"),
          copy_array<float>(object.Get("values"), "values")};
}

Rows read_rows(const Napi::Value& value, std::size_t dimension) {
  Rows rows = copy_rows(value);
  if (const auto failure = validate(rows.view(), dimension)) fail(value.Env(), *failure);
  return rows;
}

Strings read_strings(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const auto object = value.As<Napi::Object>();
  Strings strings = {copy_array<std::uint32_t>(object.Get("offsets"), "offsets"), copy_array<std::uint8_t>(object.Get("bytes"), "bytes")};
  if (!strings.view().valid()) fail_contract(value.Env(), "strings whose offsets do not fit their bytes");
  return strings;
}

Attributes read_attributes(const Napi::Value& value, std::size_t rows) {
  if (value.IsUndefined()) return {};
  const auto object = value.As<Napi::Object>();
  Attributes attributes = {read_strings(object.Get("names")), copy_array<std::uint32_t>(object.Get("offsets"), "offsets"),
                           copy_array<std::uint32_t>(object.Get("documents"), "documents")};
  if (!attributes.view().valid(rows)) fail_contract(value.Env(), "attributes of the documents that are added");
  return attributes;
}

TermRows copy_term_rows(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {read_strings(object.Get("terms")), copy_array<std::uint32_t>(object.Get("indptr"), "indptr"),
          copy_array<std::uint32_t>(object.Get("indices"), "indices"), copy_array<std::uint32_t>(object.Get("counts"), "counts")};
}

TermRows read_term_rows(const Napi::Value& value) {
  TermRows rows = copy_term_rows(value);
  if (const auto failure = validate(rows.view())) fail(value.Env(), *failure);
  return rows;
}

Filter read_filter(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  const std::vector<std::uint32_t> numbers = copy_array<std::uint32_t>(object.Get("steps"), "steps");
  Filter filter = {{}, read_strings(object.Get("strings"))};
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
    filter.steps.push_back({static_cast<FilterOperation>(numbers[i]), numbers[i + 1]});
  }
  if (!filter.view().valid()) fail_contract(value.Env(), "a filter whose steps fit each other and its strings");
  return filter;
}

}  // namespace sparse_rerank::binding
