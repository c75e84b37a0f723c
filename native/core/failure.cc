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
    return {"ERR_TOO_LARGE", "More elements than a vector can hold were asked for; pass less at once."};
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) return {"ERR_INTERNAL", error.what()};
    return {"ERR_TOO_LARGE", std::string("The system starts no more threads (") + error.what() +
                                 "); raise the limit of processes and threads (ulimit -u, pids.max), or call configure({ threads })."};
  } catch (const std::bad_alloc&) {
    return {"ERR_TOO_LARGE",
            "Out of memory: the system gives no more; pass less at once, or raise the limit (ulimit -v, the container's)."};
  } catch (const std::exception& error) {
    return {"ERR_INTERNAL", error.what()};
  } catch (...) {
    return {"ERR_INTERNAL", "An exception of no known type was thrown."};
  }
}

}  // namespace

Error current_failure() noexcept {
  try {
    return describe_current();
  } catch (...) {
    // There is no memory for the message. This one needs none.
    return {"ERR_TOO_LARGE", "Out of memory."};
  }
}

}  // namespace sparse_rerank
