#pragma once

#include <napi.h>

#include <span>
#include <string>
#include <vector>

#include "core/result.h"

/// JavaScript values to C++ values and back. TypeScript has validated them for meaning; here only what protects memory is checked. Every
/// function runs on the JS thread and throws a SparseRerankError.
namespace sparse_rerank::binding {

[[noreturn]] void fail(Napi::Env env, const Error& error);
/// ERR_INTERNAL: the TypeScript layer passed what the contract (lib/internal/native.ts) does not allow.
[[noreturn]] void fail_contract(Napi::Env env, const std::string& what);

/// The kind of typed array that holds an element type.
template <typename Element>
struct ArrayType;
template <>
struct ArrayType<std::uint8_t> {
  static constexpr napi_typedarray_type kValue = napi_uint8_array;
};
template <>
struct ArrayType<std::int32_t> {
  static constexpr napi_typedarray_type kValue = napi_int32_array;
};
template <>
struct ArrayType<std::uint32_t> {
  static constexpr napi_typedarray_type kValue = napi_uint32_array;
};
template <>
struct ArrayType<float> {
  static constexpr napi_typedarray_type kValue = napi_float32_array;
};
template <>
struct ArrayType<double> {
  static constexpr napi_typedarray_type kValue = napi_float64_array;
};

/// A copy of a typed array's elements.
template <typename Element>
std::vector<Element> copy_array(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != ArrayType<Element>::kValue) {
    fail_contract(value.Env(), std::string(name) + " is not a typed array of the right kind");
  }
  const auto array = value.As<Napi::TypedArrayOf<Element>>();
  return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
}

/// A typed array with memory of its own: memory of ours could not be transferred to a worker thread, and Electron forbids it.
template <typename TypedArray, typename Element>
TypedArray make_array(Napi::Env env, std::span<const Element> elements) {
  auto array = TypedArray::New(env, elements.size());
  std::copy(elements.begin(), elements.end(), array.Data());
  return array;
}

/// The element types that JavaScript's vectors of this project have.
inline Napi::Uint32Array to_js(Napi::Env env, std::span<const std::uint32_t> elements) {
  return make_array<Napi::Uint32Array>(env, elements);
}
inline Napi::Float32Array to_js(Napi::Env env, std::span<const float> elements) {
  return make_array<Napi::Float32Array>(env, elements);
}

}  // namespace sparse_rerank::binding
