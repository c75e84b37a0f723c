#include "inference/cuda/device_memory.h"

#include <map>
#include <mutex>

namespace sparse_rerank {

std::shared_ptr<DeviceMemory> DeviceMemory::of(int device) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<DeviceMemory>> cards;
  const std::lock_guard lock(mutex);
  std::shared_ptr<DeviceMemory>& card = cards[device];
  if (!card) card = std::make_shared<DeviceMemory>();
  return card;
}

}  // namespace sparse_rerank
