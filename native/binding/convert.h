#pragma once

#include <napi.h>

#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/failure.h"
#include "core/result.h"

/// Converts values between JavaScript and C++. TypeScript has validated their meaning; this code checks only what memory safety needs.
/// Every function runs on the JS thread and throws a SparseRerankError.
namespace sparse_rerank::binding {

[[noreturn]] void fail(Napi::Env env, const Error& error);
/// ERR_INTERNAL: the TypeScript layer passed a value that the contract (lib/native/contract.ts) does not allow.
[[noreturn]] void fail_contract(Napi::Env env, const std::string& what);

/// Turns exceptions of the C++ library (out of memory, no thread) into a SparseRerankError: nothing else may leave a callback.
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

/// Wraps a function for JavaScript.
template <auto callback>
auto entry(const Napi::CallbackInfo& info) -> decltype(callback(info)) {
  return guarded(info.Env(), [&] { return callback(info); });
}

/// A path, in UTF-8. Errors: ERR_INVALID_ARGUMENT (it contains a NUL character, where the system would truncate it).
std::string read_path(const Napi::Value& value);

/// The typed array class for an element type.
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

/// A typed array. V8 aborts the process if it cannot allocate one, so this allocates the memory on trial first and throws std::bad_alloc.
template <typename TypedArray>
TypedArray new_array(Napi::Env env, std::size_t length) {
  constexpr std::size_t kSmall = std::size_t{1} << 20;
  const std::size_t bytes = length * sizeof(*std::declval<TypedArray>().Data());
  if (bytes > kSmall) ::operator delete(::operator new(bytes));
  return TypedArray::New(env, length);
}

/// A typed array that V8 allocates: external memory cannot be transferred to a worker thread, and Electron forbids it.
template <typename TypedArray, typename Element>
TypedArray make_array(Napi::Env env, std::span<const Element> elements) {
  auto array = new_array<TypedArray>(env, elements.size());
  std::copy(elements.begin(), elements.end(), array.Data());
  return array;
}

/// Conversions for the element types of vectors.
inline Napi::Uint32Array to_js(Napi::Env env, std::span<const std::uint32_t> elements) {
  return make_array<Napi::Uint32Array>(env, elements);
}
inline Napi::Float32Array to_js(Napi::Env env, std::span<const float> elements) {
  return make_array<Napi::Float32Array>(env, elements);
}

}  // namespace sparse_rerank::binding
