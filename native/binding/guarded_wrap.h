#pragma once

#include <napi.h>

#include "binding/convert.h"

namespace sparse_rerank::binding {

/// Base of the classes exposed to JavaScript: their methods turn exceptions of the C++ library into a SparseRerankError, as entry() does
/// for functions.
template <typename Self>
class GuardedWrap : public Napi::ObjectWrap<Self> {
 protected:
  /// For DefineClass: exposes `callback`, a method of Self, under a JavaScript name.
  template <auto callback>
  static Napi::ClassPropertyDescriptor<Self> method(const char* name) {
    using Callback = Napi::Value (Self::*)(const Napi::CallbackInfo&);
    return Napi::InstanceWrap<Self>::InstanceMethod(name, static_cast<Callback>(&GuardedWrap::template entry<callback>));
  }

 private:
  // No other class can be a GuardedWrap<Self>.
  friend Self;
  explicit GuardedWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info) {}

  template <auto callback>
  Napi::Value entry(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return (static_cast<Self*>(this)->*callback)(info); });
  }
};

}  // namespace sparse_rerank::binding
