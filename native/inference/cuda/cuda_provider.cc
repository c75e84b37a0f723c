#include "inference/cuda/cuda_provider.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "core/mapped_file.h"

namespace sparse_rerank {

namespace {

constexpr const char* kProvider = "CUDAExecutionProvider";

#ifdef _WIN32
constexpr const char* kLibrary = "onnxruntime_providers_cuda.dll";
#else
constexpr const char* kLibrary = "libonnxruntime_providers_cuda.so";
#endif

/// ONNX Runtime calls the provider without checking its version, and other versions have other function tables. Libraries that do not state
/// a version, such as older ones, are accepted; an unreadable one is left for the loader to report.
Status check_version(const Runtime& runtime) {
  const std::size_t folder_end = runtime.path().find_last_of("/\\") + 1;
  const std::string path = runtime.path().substr(0, folder_end) + kLibrary;
  const auto file = MappedFile::open(path);
  if (!file) return std::nullopt;
  const std::span<const std::byte> bytes = file.value().bytes();
  const std::vector<std::string> releases = find_releases({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (releases.empty() || std::find(releases.begin(), releases.end(), runtime.version()) != releases.end()) return std::nullopt;
  return Error{"ERR_DEVICE_UNAVAILABLE",
               path + " is version " + releases.front() + ", but ONNX Runtime at " + runtime.path() + " is " + runtime.version()};
}

/// Removes the source location that ONNX Runtime puts before the reason.
std::string without_source(const std::string& message) {
  const std::size_t begin = message.find("Failed to load library");
  const std::string_view rest = std::string_view(message).substr(begin == std::string::npos ? 0 : begin);
  return std::string(rest.substr(0, rest.find_last_not_of(" \n") + 1));
}

}  // namespace

std::vector<std::string> find_releases(std::string_view bytes) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::string> releases;
  for (std::size_t dot = bytes.find('.'); dot != std::string_view::npos; dot = bytes.find('.', dot + 1)) {
    if (dot < 2 || bytes[dot - 1] != '1' || bytes[dot - 2] != '\0') continue;
    std::size_t at = dot + 1;
    while (at < bytes.size() && is_digit(bytes[at])) ++at;
    if (at != dot + 3 || at >= bytes.size() || bytes[at] != '.') continue;
    const std::size_t patch = ++at;
    while (at < bytes.size() && is_digit(bytes[at])) ++at;
    if (at > patch && at < bytes.size() && bytes[at] == '\0') releases.emplace_back(bytes.substr(dot - 1, at - dot + 1));
  }
  return releases;
}

Result<std::vector<std::string>> available_providers(const Runtime& runtime) {
  char** names = nullptr;
  int count = 0;
  if (auto failure = runtime.check(runtime.functions().GetAvailableProviders(&names, &count), "list its providers")) return *failure;
  std::vector<std::string> providers(names, names + count);
  if (auto failure = runtime.check(runtime.functions().ReleaseAvailableProviders(names, count), "free a list")) return *failure;
  return providers;
}

Result<CudaProviderOptions> make_cuda_options(const Runtime& runtime, const CudaSpec& spec) {
  const auto providers = available_providers(runtime);
  if (!providers) return providers.error();
  if (std::find(providers.value().begin(), providers.value().end(), kProvider) == providers.value().end()) {
    return Error{"ERR_DEVICE_UNAVAILABLE", "ONNX Runtime " + runtime.version() + " at " + runtime.path() + " was built without CUDA"};
  }
  if (auto failure = check_version(runtime)) return *failure;
  const ort::Functions& functions = runtime.functions();
  ort::OrtCUDAProviderOptionsV2* options = nullptr;
  if (auto failure = runtime.check(functions.CreateCUDAProviderOptions(&options), "create CUDA options")) return *failure;
  auto owned = own(options, functions.ReleaseCUDAProviderOptions);

  const std::string device = std::to_string(spec.device);
  std::vector<const char*> keys = {"device_id"};
  std::vector<const char*> values = {device.c_str()};
  if (spec.graphs) {
    keys.push_back("enable_cuda_graph");
    values.push_back("1");
  }
  for (const auto& [key, value] : spec.options) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  // The first call into the provider, and the only one whose status says why its library cannot be loaded.
  auto failure = runtime.check(functions.UpdateCUDAProviderOptions(options, keys.data(), values.data(), keys.size()), "use CUDA");
  if (failure) return Error{"ERR_DEVICE_UNAVAILABLE", without_source(failure->message)};
  return owned;
}

}  // namespace sparse_rerank
