#pragma once

#include <napi.h>

#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/failure.h"
#include "core/result.h"

/// JavaScript values to C++ values and back. TypeScript has validated them for meaning; here only what protects memory is checked. Every
/// function runs on the JS thread and throws a SparseRerankError.
namespace sparse_rerank::binding {

[[noreturn]] void fail(Napi::Env env, const Error& error);
/// ERR_INTERNAL: the TypeScript layer passed what the contract (lib/native/contract.ts) does not allow.
[[noreturn]] void fail_contract(Napi::Env env, const std::string& what);

/// What the C++ library throws in a callback (no memory, no thread) as a SparseRerankError: nothing else may leave one.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    fail(env, current_failure());
  }
}

/// A function as JavaScript calls it.
template <auto callback>
auto entry(const Napi::CallbackInfo& info) -> decltype(callback(info)) {
  return guarded(info.Env(), [&] { return callback(info); });
}

/// A path, in UTF-8. Refuses zero bytes (ERR_INVALID_ARGUMENT), where the system would end it.
std::string read_path(const Napi::Value& value);

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

/// A typed array. V8 ends the process when it has no memory for one: this asks the system first, and throws std::bad_alloc.
template <typename TypedArray>
TypedArray new_array(Napi::Env env, std::size_t length) {
  constexpr std::size_t kSmall = std::size_t{1} << 20;
  const std::size_t bytes = length * sizeof(*std::declval<TypedArray>().Data());
  if (bytes > kSmall) ::operator delete(::operator new(bytes));
  return TypedArray::New(env, length);
}

/// A typed array with memory of its own: memory of ours could not be transferred to a worker thread, and Electron forbids it.
template <typename TypedArray, typename Element>
TypedArray make_array(Napi::Env env, std::span<const Element> elements) {
  auto array = new_array<TypedArray>(env, elements.size());
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
