#include "inference/card_memory.h"

#include <map>
#include <mutex>

namespace sparse_rerank {

std::shared_ptr<CardMemory> CardMemory::of(int device) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<CardMemory>> cards;
  const std::lock_guard lock(mutex);
  std::shared_ptr<CardMemory>& card = cards[device];
  if (!card) card = std::make_shared<CardMemory>();
  return card;
}

}  // namespace sparse_rerank
