#include "streams.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gpu.h"

namespace simulated_gpu {

namespace {

struct Graph {
  int number = 0;
  std::size_t launches = 0;
  std::size_t calls = 0;
  std::size_t copies = 0;
  std::vector<std::function<int()>> work;
};

struct Capture {
  void* origin = nullptr;
  int mode = 0;
  bool blocking = true;
  std::thread::id thread;
  bool spoilt = false;
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
};

struct Stream {
  int number = 0;
  bool blocking = true;
  std::shared_ptr<Capture> capture;
};

struct Event {
  /// The capture of the stream that it was last recorded in.
  std::shared_ptr<Capture> capture;
};

/// Never destroyed, since other threads may still run when the process ends.
struct State {
  std::mutex mutex;
  std::uintptr_t last_handle = 0;
  int last_stream = 0;
  int last_graph = 0;
  /// The default stream has number 0 under each of its three handles.
  std::map<void*, Stream> streams = {{nullptr, {}}, {handle_of(1), {}}, {handle_of(2), {}}};
  std::map<void*, Event> events;
  /// Captured graphs, and the executable graphs instantiated from them.
  std::map<void*, std::shared_ptr<Graph>> graphs;
  std::map<void*, std::shared_ptr<Graph>> executables;
  std::vector<std::shared_ptr<Capture>> captures;

  static void* handle_of(std::uintptr_t number) { return reinterpret_cast<void*>(number); }
  /// Handles are numbers: dereferencing one crashes the process.
  void* new_handle() { return handle_of(0x100 + 0x10 * ++last_handle); }
};

State& state() {
  static auto* const state = new State;
  return *state;
}

/// Requires the mutex.
template <typename Value>
Value* find(std::map<void*, Value>& map, void* handle) {
  const auto found = map.find(handle);
  return found == map.end() ? nullptr : &found->second;
}

/// Excludes handle 2, the per-thread default stream, which does not wait for other streams.
bool is_default(void* stream) {
  return reinterpret_cast<std::uintptr_t>(stream) <= 1;
}

constexpr int kGlobal = 0;
constexpr int kThreadLocal = 1;

int illegal(const char* call, int error) {
  trace("illegal call=%s error=%s", call, error_name(error));
  return error;
}

/// Whether the capture's mode forbids calls of this thread that may wait or allocate.
bool forbids(const Capture& capture) {
  return capture.mode == kGlobal || (capture.mode == kThreadLocal && capture.thread == std::this_thread::get_id());
}

/// Requires the mutex.
template <typename Condition>
int spoil_captures(const char* call, int error, Condition concerned) {
  bool found = false;
  for (const auto& capture : state().captures) {
    if (!concerned(*capture)) continue;
    capture->spoilt = true;
    found = true;
  }
  return found ? illegal(call, error) : kSuccess;
}

/// Rejects a call on a captured stream, or on the default stream while a stream that waits for it is captured. Requires the mutex.
int require_outside_capture(void* stream, const Stream& found, const char* call) {
  if (found.capture != nullptr) {
    found.capture->spoilt = true;
    return illegal(call, kCaptureUnsupported);
  }
  if (!is_default(stream)) return kSuccess;
  return spoil_captures(call, kCaptureImplicit, [](const Capture& capture) { return capture.blocking; });
}

thread_local int contexts_of_thread = 0;
thread_local bool runtime_entered = false;

}  // namespace

void enter_context() {
  runtime_entered = true;
}
int require_context() {
  return runtime_entered || contexts_of_thread > 0 ? kSuccess : kInvalidContext;
}
void push_context() {
  ++contexts_of_thread;
}

int pop_context() {
  if (contexts_of_thread == 0) return kInvalidContext;
  --contexts_of_thread;
  return kSuccess;
}

int create_stream(bool blocking, void** stream) {
  const std::lock_guard lock(state().mutex);
  *stream = state().new_handle();
  state().streams[*stream] = {++state().last_stream, blocking, nullptr};
  return kSuccess;
}

int destroy_stream(void* stream) {
  const std::lock_guard lock(state().mutex);
  const Stream* const found = find(state().streams, stream);
  if (found == nullptr || found->number == 0) return kInvalidHandle;
  state().streams.erase(stream);
  return kSuccess;
}

int wait_stream(void* stream, const char* call) {
  const std::lock_guard lock(state().mutex);
  const Stream* const found = find(state().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  if (const int error = require_outside_capture(stream, *found, call)) return error;
  trace("wait for=stream%d", found->number);
  return kSuccess;
}

int wait_all(const char* call) {
  if (const int error = require_no_capture(call)) return error;
  trace("wait for=all");
  return kSuccess;
}

int enqueue(void* stream, Work kind, const char* word, const char* details, std::function<int()> run) {
  {
    const std::lock_guard lock(state().mutex);
    const Stream* const found = find(state().streams, stream);
    if (found == nullptr) return kInvalidHandle;
    if (found->capture != nullptr) {
      Graph& graph = *found->capture->graph;
      trace("%s on=graph%d %s", word, graph.number, details);
      ++(kind == Work::kLaunch ? graph.launches : kind == Work::kCall ? graph.calls : graph.copies);
      if (run) graph.work.push_back(std::move(run));
      return kSuccess;
    }
    if (const int error = require_outside_capture(stream, *found, word)) return error;
    trace("%s on=stream%d %s", word, found->number, details);
  }
  return run ? run() : kSuccess;
}

int require_no_capture(const char* call) {
  const std::lock_guard lock(state().mutex);
  return spoil_captures(call, kCaptureUnsupported, forbids);
}

namespace {

std::string describe_copy(const void* to, const void* from, std::size_t bytes, bool waits) {
  if (!tracing()) return {};
  return std::string("from=") + memory_name(from) + " to=" + memory_name(to) + " bytes=" + std::to_string(bytes) +
         " wait=" + (waits ? "yes" : "no");
}

}  // namespace

int copy(void* to, const void* from, std::size_t bytes, const char* call) {
  if (const int error = require_no_capture(call)) return error;
  return enqueue(nullptr, Work::kCopy, "copy", describe_copy(to, from, bytes, true).c_str(), [=] { return copy_now(to, from, bytes); });
}

int copy_in_stream(void* to, const void* from, std::size_t bytes, void* stream, const char* call) {
  const bool to_pageable = memory_of(to) == Memory::kPageable;
  if (to_pageable || memory_of(from) == Memory::kPageable) {
    const std::lock_guard lock(state().mutex);
    const Stream* const found = find(state().streams, stream);
    if (found == nullptr) return kInvalidHandle;
    if (const int error = require_outside_capture(stream, *found, call)) return error;
  }
  return enqueue(stream, Work::kCopy, "copy", describe_copy(to, from, bytes, to_pageable).c_str(),
                 [=] { return copy_now(to, from, bytes); });
}

int begin_capture(void* stream, int mode) {
  const std::lock_guard lock(state().mutex);
  Stream* const found = find(state().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  if (found->number == 0 || found->capture != nullptr) return illegal("cudaStreamBeginCapture", kCaptureUnsupported);
  found->capture = std::make_shared<Capture>();
  found->capture->origin = stream;
  found->capture->mode = mode;
  found->capture->blocking = found->blocking;
  found->capture->thread = std::this_thread::get_id();
  found->capture->graph->number = ++state().last_graph;
  state().captures.push_back(found->capture);
  trace("capture stream=stream%d graph=graph%d", found->number, found->capture->graph->number);
  return kSuccess;
}

int end_capture(void* stream, void** graph) {
  *graph = nullptr;
  const std::lock_guard lock(state().mutex);
  const Stream* const found = find(state().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  const std::shared_ptr<Capture> capture = found->capture;
  if (capture == nullptr || capture->origin != stream) return illegal("cudaStreamEndCapture", kCaptureUnmatched);
  for (auto& [handle, other] : state().streams) {
    if (other.capture == capture) other.capture = nullptr;
  }
  std::erase(state().captures, capture);
  if (capture->spoilt) return illegal("cudaStreamEndCapture", kCaptureInvalidated);
  *graph = state().new_handle();
  state().graphs[*graph] = capture->graph;
  trace("graph graph=graph%d launches=%zu calls=%zu copies=%zu", capture->graph->number, capture->graph->launches, capture->graph->calls,
        capture->graph->copies);
  return kSuccess;
}

int capture_status(void* stream, int* status) {
  const std::lock_guard lock(state().mutex);
  const Stream* const found = find(state().streams, stream);
  if (found == nullptr) return kInvalidHandle;
  *status = found->capture == nullptr ? 0 : found->capture->spoilt ? 2 : 1;
  return kSuccess;
}

int instantiate_graph(void* graph, void** executable) {
  const std::lock_guard lock(state().mutex);
  const auto* const found = find(state().graphs, graph);
  if (found == nullptr) return kInvalidValue;
  *executable = state().new_handle();
  state().executables[*executable] = *found;
  return kSuccess;
}

int replay_graph(void* executable, void* stream) {
  std::shared_ptr<Graph> graph;
  {
    const std::lock_guard lock(state().mutex);
    const auto* const found = find(state().executables, executable);
    if (found == nullptr) return kInvalidValue;
    graph = *found;
  }
  const std::string name = "graph=graph" + std::to_string(graph->number);
  return enqueue(stream, Work::kLaunch, "replay", name.c_str(), [graph] {
    int error = kSuccess;
    for (const auto& run : graph->work) error = error == kSuccess ? run() : error;
    return error;
  });
}

int destroy_graph(void* graph) {
  const std::lock_guard lock(state().mutex);
  return state().graphs.erase(graph) == 1 ? kSuccess : kInvalidValue;
}

int destroy_executable(void* executable) {
  const std::lock_guard lock(state().mutex);
  return state().executables.erase(executable) == 1 ? kSuccess : kInvalidValue;
}

int create_event(void** event) {
  const std::lock_guard lock(state().mutex);
  *event = state().new_handle();
  state().events[*event] = {};
  return kSuccess;
}

int destroy_event(void* event) {
  const std::lock_guard lock(state().mutex);
  return state().events.erase(event) == 1 ? kSuccess : kInvalidHandle;
}

int record_event(void* event, void* stream) {
  const std::lock_guard lock(state().mutex);
  Event* const found = find(state().events, event);
  const Stream* const in = find(state().streams, stream);
  if (found == nullptr || in == nullptr) return kInvalidHandle;
  found->capture = in->capture;
  return kSuccess;
}

int wait_in_stream(void* stream, void* event) {
  const std::lock_guard lock(state().mutex);
  const Event* const found = find(state().events, event);
  Stream* const in = find(state().streams, stream);
  if (found == nullptr || in == nullptr) return kInvalidHandle;
  if (found->capture != nullptr) in->capture = found->capture;
  return kSuccess;
}

int wait_event(void* event) {
  const std::lock_guard lock(state().mutex);
  const Event* const found = find(state().events, event);
  if (found == nullptr) return kInvalidHandle;
  if (found->capture != nullptr) return illegal("cudaEventSynchronize", kCapturedEvent);
  trace("wait for=event");
  return kSuccess;
}

}  // namespace simulated_gpu
