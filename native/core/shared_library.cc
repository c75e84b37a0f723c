#include "core/shared_library.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include "core/platform_string.h"

namespace sparse_rerank {

#ifdef _WIN32

Result<SharedLibrary> SharedLibrary::open(const std::string& path) {
  // With an absolute path, the search flag lets the library find its dependencies (DirectML.dll) in its own folder; it is invalid with a
  // bare name.
  const DWORD beside = path.find_first_of("\\/") == std::string::npos ? 0 : LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR;
  HMODULE handle = LoadLibraryExW(to_wide(path).c_str(), nullptr, beside | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  if (handle == nullptr) return Error{"ERR_RUNTIME_NOT_FOUND", "LoadLibrary failed with error " + std::to_string(GetLastError())};
  return SharedLibrary(handle);
}

void* SharedLibrary::symbol(const char* name) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
}

void SharedLibrary::pin(const void* address) {
  HMODULE module = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, static_cast<LPCWSTR>(address), &module);
}

#else

Result<SharedLibrary> SharedLibrary::open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* why = dlerror();
    return Error{"ERR_RUNTIME_NOT_FOUND", why == nullptr ? "dlopen failed" : why};
  }
  return SharedLibrary(handle);
}

void* SharedLibrary::symbol(const char* name) const {
  return dlsym(handle_, name);
}

void SharedLibrary::pin(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) != 0 && info.dli_fname != nullptr) dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

#endif

}  // namespace sparse_rerank
