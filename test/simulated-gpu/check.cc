/// Uses the simulated GPU as a program uses CUDA, and prints the line of each failed expectation. Linked to the runtime and the driver.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

extern "C" {
int cudaMalloc(void** address, std::size_t bytes);
int cudaFree(void* address);
int cudaMallocHost(void** address, std::size_t bytes);
int cudaFreeHost(void* address);
int cudaMemGetInfo(std::size_t* available, std::size_t* total);
int cudaMemcpy(void* to, const void* from, std::size_t bytes, int kind);
int cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, int kind, void* stream);
int cudaGetLastError();
int cudaStreamCreateWithFlags(void** stream, unsigned flags);
int cudaStreamDestroy(void* stream);
int cudaStreamSynchronize(void* stream);
int cudaStreamBeginCapture(void* stream, int mode);
int cudaStreamEndCapture(void* stream, void** graph);
int cudaGraphInstantiate(void** executable, void* graph, unsigned long long flags);
int cudaGraphLaunch(void* executable, void* stream);
int cuMemGetInfo_v2(std::size_t* available, std::size_t* total);
int cuMemcpyHtoD_v2(unsigned long long to, const void* from, std::size_t bytes);
int cuMemcpyDtoH_v2(void* to, unsigned long long from, std::size_t bytes);
int cuStreamSynchronize(void* stream);
}

namespace {

int failures = 0;

void expect(bool holds, const char* what, int line) {
  if (holds) return;
  std::printf("line %d: %s\n", line, what);
  ++failures;
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

constexpr int kOutOfMemory = 2;
constexpr int kInvalidValue = 1;
constexpr int kInvalidContext = 201;
constexpr int kCaptureUnsupported = 900;
constexpr int kCaptureInvalidated = 901;
constexpr int kDefaultKind = 4;
constexpr std::size_t kTotal = 1000000;

void check_memory() {
  std::size_t available = 0;
  std::size_t total = 0;
  EXPECT(cuMemGetInfo_v2(&available, &total) == kInvalidContext);
  void* first = nullptr;
  void* second = nullptr;
  EXPECT(cudaMalloc(&first, 600000) == 0);
  EXPECT(cudaMalloc(&second, 600000) == kOutOfMemory);
  EXPECT(cudaGetLastError() == kOutOfMemory && cudaGetLastError() == 0);
  EXPECT(cuMemGetInfo_v2(&available, &total) == 0 && available == 400000 && total == kTotal);

  char text[] = "what was copied comes back";
  char back[sizeof text] = {};
  EXPECT(cudaMemcpy(first, text, sizeof text, kDefaultKind) == 0);
  EXPECT(cudaMemcpy(back, first, sizeof text, kDefaultKind) == 0 && std::strcmp(text, back) == 0);
  const auto address = reinterpret_cast<unsigned long long>(first) + 1000;
  EXPECT(cuMemcpyHtoD_v2(address, text + 5, 4) == 0);
  EXPECT(cuMemcpyDtoH_v2(back, address, 4) == 0 && std::memcmp(text + 5, back, 4) == 0);
  EXPECT(cudaMemcpy(back, static_cast<char*>(first) + 599999, 2, kDefaultKind) == kInvalidValue);

  const pid_t child = fork();
  if (child == 0) _exit(*static_cast<volatile char*>(first));
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && WIFSIGNALED(status));

  EXPECT(cudaFree(first) == 0 && cudaFree(first) == kInvalidValue && cudaFree(nullptr) == 0);
  EXPECT(cudaMemGetInfo(&available, &total) == 0 && available == kTotal);
}

void check_capture() {
  void* stream = nullptr;
  void* other = nullptr;
  void* device = nullptr;
  void* pinned = nullptr;
  void* graph = nullptr;
  void* executable = nullptr;
  EXPECT(cudaStreamCreateWithFlags(&stream, 1) == 0 && cudaStreamCreateWithFlags(&other, 1) == 0);
  EXPECT(cudaMalloc(&device, 16) == 0 && cudaMallocHost(&pinned, 16) == 0);
  auto* const value = static_cast<int*>(pinned);

  *value = 1;
  EXPECT(cudaStreamBeginCapture(stream, 0) == 0);
  EXPECT(cudaMemcpyAsync(device, pinned, sizeof *value, kDefaultKind, stream) == 0);
  EXPECT(cudaStreamSynchronize(other) == 0);
  EXPECT(cudaStreamEndCapture(stream, &graph) == 0 && graph != nullptr);
  EXPECT(cudaGraphInstantiate(&executable, graph, 0) == 0);
  *value = 2;
  int seen = -1;
  EXPECT(cudaMemcpy(&seen, device, sizeof seen, kDefaultKind) == 0 && seen == 0);
  EXPECT(cudaGraphLaunch(executable, stream) == 0 && cuStreamSynchronize(stream) == 0);
  EXPECT(cudaMemcpy(&seen, device, sizeof seen, kDefaultKind) == 0 && seen == 2);

  void* late = nullptr;
  EXPECT(cudaStreamBeginCapture(stream, 0) == 0 && cudaMalloc(&late, 16) == kCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(stream, &graph) == kCaptureInvalidated && graph == nullptr);
  EXPECT(cudaStreamBeginCapture(stream, 0) == 0 && cudaStreamSynchronize(stream) == kCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(stream, &graph) == kCaptureInvalidated);
  EXPECT(cudaStreamBeginCapture(stream, 0) == 0);
  EXPECT(cudaMemcpyAsync(device, &seen, sizeof seen, kDefaultKind, stream) == kCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(stream, &graph) == kCaptureInvalidated);

  EXPECT(cudaStreamDestroy(stream) == 0 && cudaStreamDestroy(other) == 0);
  EXPECT(cudaFree(device) == 0 && cudaFreeHost(pinned) == 0);
}

}  // namespace

int main() {
  check_memory();
  check_capture();
  return failures == 0 ? 0 : 1;
}
