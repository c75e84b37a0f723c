#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace sparse_rerank {

/// A failure as a value. `code` is one of the ErrorCode strings of lib/errors.ts and has static storage duration.
struct Error {
  const char* code = "ERR_INTERNAL";
  std::string message;
};

/// A value or an Error. Below native/binding only the C++ library itself throws, when it runs out of memory or cannot start a thread; that
/// becomes an Error at the entry points (core/failure.h).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor): reads as `return value;`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
using Status = std::optional<Error>;

}  // namespace sparse_rerank
