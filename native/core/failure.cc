#include "core/failure.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace sparse_rerank {

namespace {

Error describe_current() {
  try {
    throw;
  } catch (const std::length_error&) {
    return {"ERR_TOO_LARGE", "More elements were requested than a vector can hold; pass less per call."};
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) return {"ERR_INTERNAL", error.what()};
    return {"ERR_TOO_LARGE", std::string("The system cannot start more threads (") + error.what() +
                                 "); raise the limit of processes and threads (ulimit -u, pids.max), or call configure({ threads })."};
  } catch (const std::bad_alloc&) {
    return {"ERR_TOO_LARGE", "Out of memory; pass less per call, or raise the memory limit of the process or container (ulimit -v)."};
  } catch (const std::exception& error) {
    return {"ERR_INTERNAL", error.what()};
  } catch (...) {
    return {"ERR_INTERNAL", "An exception of unknown type was thrown."};
  }
}

}  // namespace

Error current_failure() noexcept {
  try {
    return describe_current();
  } catch (...) {
    // There is no memory for the message above; this one needs none.
    return {"ERR_TOO_LARGE", "Out of memory."};
  }
}

}  // namespace sparse_rerank
