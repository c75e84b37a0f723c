#include "binding/convert.h"

#include "binding/environment.h"
#include "core/durable_file.h"

namespace sparse_rerank::binding {

void fail(Napi::Env env, const Error& error) {
  throw Environment::of(env).make_error(error);
}

void fail_contract(Napi::Env env, const std::string& what) {
  fail(env, {"ERR_INTERNAL", "The native contract was broken: " + what + "."});
}

std::string read_path(const Napi::Value& value) {
  std::string path = value.ToString();
  if (const auto failure = check_path(path)) fail(value.Env(), *failure);
  return path;
}

}  // namespace sparse_rerank::binding
