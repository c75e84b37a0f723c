#include "inference/cuda/device_memory.h"

#include <map>
#include <mutex>

namespace sparse_rerank {

std::shared_ptr<DeviceMemory> DeviceMemory::of(int device) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<DeviceMemory>> devices;
  const std::lock_guard lock(mutex);
  std::shared_ptr<DeviceMemory>& memory = devices[device];
  if (!memory) memory = std::make_shared<DeviceMemory>();
  return memory;
}

}  // namespace sparse_rerank
