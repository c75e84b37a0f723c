#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sparse_rerank {

/// 128 bits that distinguish contents and detect damage. Not cryptographic: an attacker who chooses the bytes can create collisions.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const Digest&) const = default;
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string hex() const;
};

/// Digests bytes passed in several pieces; the division into pieces affects the digest. As fast as memory is read.
class Digester {
 public:
  Digester();
  void add(std::span<const std::byte> bytes);
  void add(std::uint64_t number);
  [[nodiscard]] Digest digest() const;

 private:
  static constexpr std::size_t kLanes = 8;
  std::uint64_t lanes_[kLanes];
};

}  // namespace sparse_rerank
