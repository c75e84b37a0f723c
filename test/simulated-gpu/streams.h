/// Streams, events and graphs of the simulated GPU. Work is done when it is enqueued, in the caller's thread; what is kept is where it
/// would run, and what may not be done while a stream is captured.
///
/// Capture in the global mode makes what may wait for the GPU, or allocates from the driver, an error in every thread; in the thread's own
/// mode, in the thread that captures. Such a call spoils the capture, which end_capture() then tells. Copies of pageable memory count as
/// what may wait.
#pragma once

#include <cstddef>
#include <functional>

namespace simulated_gpu {

/// What a graph counts.
enum class Work { kLaunch, kCall, kCopy };

/// Makes the primary context current in this thread, as every call of the runtime does.
void enter_context();
/// What the driver's calls that need a context check. Errors: kInvalidContext.
int require_context();
void push_context();
int pop_context();

/// @param blocking whether the default stream and this one wait for each other
int create_stream(bool blocking, void** stream);
int destroy_stream(void* stream);
int wait_stream(void* stream, const char* call);
/// Of everything on the GPU.
int wait_all(const char* call);

/// Does the work, or makes it part of a graph where the stream is captured, and adds the line "WORD on=… DETAILS" to the trace.
/// @param run may be empty; it is called again whenever the graph is replayed
int enqueue(void* stream, Work kind, const char* word, const char* details, std::function<int()> run);

/// Whether a call is allowed while streams are captured that may wait, or allocates from the driver. Errors: kCaptureUnsupported.
int require_no_capture(const char* call);

int copy(void* to, const void* from, std::size_t bytes, const char* call);
int copy_in_stream(void* to, const void* from, std::size_t bytes, void* stream, const char* call);

int begin_capture(void* stream, int mode);
int end_capture(void* stream, void** graph);
/// 0 none, 1 active, 2 spoilt.
int capture_status(void* stream, int* status);

int instantiate_graph(void* graph, void** executable);
int replay_graph(void* executable, void* stream);
int destroy_graph(void* graph);
int destroy_executable(void* executable);

int create_event(void** event);
int destroy_event(void* event);
int record_event(void* event, void* stream);
/// A stream that waits for an event of a captured one is captured too.
int wait_in_stream(void* stream, void* event);
int wait_event(void* event);

}  // namespace simulated_gpu
