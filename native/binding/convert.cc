#include "binding/convert.h"

#include "binding/environment.h"

namespace sparse_rerank::binding {

void fail(Napi::Env env, const Error& error) {
  throw Environment::of(env).make_error(error);
}

void fail_contract(Napi::Env env, const std::string& what) {
  fail(env, {"ERR_INTERNAL", "The native contract was broken: " + what + "."});
}

}  // namespace sparse_rerank::binding
