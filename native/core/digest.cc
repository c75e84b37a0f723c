#include "core/digest.h"

#include <bit>
#include <cstring>

namespace sparse_rerank {

namespace {

// Odd numbers with well-mixed bits: the fractional parts of the golden ratio and of the square roots of 2 and 3.
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kRootTwo = 0x6a09e667f3bcc909;
constexpr std::uint64_t kRootThree = 0xbb67ae8584caa73b;
constexpr int kTurn = 29;

/// A bijection of the lane for each word and of the word for each lane, so one changed word always changes the lane. The rotation brings
/// high bits down, since a product carries differences only up; the product before it keeps a simple difference in one word from equaling
/// that of a later one.
std::uint64_t step(std::uint64_t lane, std::uint64_t word) {
  return std::rotl(lane + word * kGolden, kTurn) * kRootTwo;
}

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * kGolden;
  x = (x ^ (x >> 29)) * kRootThree;
  return x ^ (x >> 32);
}

}  // namespace

std::string Digest::hex() const {
  std::string digits;
  for (const std::uint64_t word : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(word >> shift) & 0xf];
  }
  return digits;
}

Digester::Digester() {
  for (std::size_t l = 0; l < kLanes; ++l) lanes_[l] = mix(kRootTwo + l * kGolden);
}

void Digester::add(std::span<const std::byte> bytes) {
  add(bytes.size());
  // A copy that the compiler keeps in registers.
  std::uint64_t lanes[kLanes];
  std::memcpy(lanes, lanes_, sizeof lanes);
  std::uint64_t words[kLanes];
  std::size_t at = 0;
  for (; at + sizeof words <= bytes.size(); at += sizeof words) {
    std::memcpy(words, bytes.data() + at, sizeof words);
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = step(lanes[l], words[l]);
  }
  if (at < bytes.size()) {
    std::memset(words, 0, sizeof words);
    std::memcpy(words, bytes.data() + at, bytes.size() - at);
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = step(lanes[l], words[l]);
  }
  std::memcpy(lanes_, lanes, sizeof lanes);
}

void Digester::add(std::uint64_t number) {
  lanes_[0] = mix(step(lanes_[0], number));
}

Digest Digester::digest() const {
  Digest digest{kGolden, kRootThree};
  for (const std::uint64_t lane : lanes_) {
    digest.low = mix(digest.low ^ lane);
    digest.high = mix(std::rotl(digest.high, kTurn) + lane * kRootTwo);
  }
  return digest;
}

}  // namespace sparse_rerank
