/// Streams, events and graphs of the simulated GPU. Work is done when it is enqueued, on the caller's thread. The state tracks where work
/// would run, and which calls capture forbids.
///
/// During capture, calls that may wait for the GPU or allocate from the driver are errors: in global mode on every thread, in thread-local
/// mode on the capturing thread. Such a call invalidates the capture, which end_capture() reports. Copies of pageable memory count as calls
/// that may wait.
#pragma once

#include <cstddef>
#include <functional>

namespace simulated_gpu {

/// The kinds of work that a graph counts.
enum class Work { kLaunch, kCall, kCopy };

/// Makes the primary context current on this thread, as every runtime call does.
void enter_context();
/// Called by driver functions that need a context. Errors: kInvalidContext.
int require_context();
void push_context();
int pop_context();

/// @param blocking whether the default stream and this one wait for each other
int create_stream(bool blocking, void** stream);
int destroy_stream(void* stream);
int wait_stream(void* stream, const char* call);
/// Waits for everything on the GPU.
int wait_all(const char* call);

/// Does the work, or adds it to the graph if the stream is captured, and adds the line "WORD on=… DETAILS" to the trace.
/// @param run may be empty; called again on every replay of the graph
int enqueue(void* stream, Work kind, const char* word, const char* details, std::function<int()> run);

/// Called by functions that may wait, or that allocate from the driver. Errors: kCaptureUnsupported (a capture forbids them).
int require_no_capture(const char* call);

int copy(void* to, const void* from, std::size_t bytes, const char* call);
int copy_in_stream(void* to, const void* from, std::size_t bytes, void* stream, const char* call);

int begin_capture(void* stream, int mode);
int end_capture(void* stream, void** graph);
/// 0: none, 1: active, 2: invalidated.
int capture_status(void* stream, int* status);

int instantiate_graph(void* graph, void** executable);
int replay_graph(void* executable, void* stream);
int destroy_graph(void* graph);
int destroy_executable(void* executable);

int create_event(void** event);
int destroy_event(void* event);
int record_event(void* event, void* stream);
/// A stream that waits for an event of a captured stream is captured too.
int wait_in_stream(void* stream, void* event);
int wait_event(void* event);

}  // namespace simulated_gpu
