// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071) over bytes that come in pieces.
#pragma once
#include <cstdint>
#include <cstring>

namespace vpci {

inline uint16_t LoadBig16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }
inline uint32_t LoadBig32(const uint8_t* p) { return uint32_t{LoadBig16(p)} << 16 | LoadBig16(p + 2); }
inline void StoreBig16(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}
inline void StoreBig32(uint8_t* p, uint32_t value) {
  StoreBig16(p, value >> 16);
  StoreBig16(p + 2, value);
}

inline uint16_t FoldOnes(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

class InternetSum {
 public:
  // The sum of 16-bit words is independent of byte order, which is fixed up at the end (RFC 1071, 2 (B)); a
  // piece that starts in the middle of a word is added byte-swapped.
  void Add(const uint8_t* p, uint32_t n) {
    uint64_t sum = 0;
    uint32_t word = 0;
    const bool odd = n & 1;
    for (; n >= 4; p += 4, n -= 4) {
      std::memcpy(&word, p, 4);
      sum += word;
    }
    word = 0;
    std::memcpy(&word, p, n);
    sum_ += inside_word_ ? Swap(FoldOnes(sum + word)) : FoldOnes(sum + word);
    inside_word_ ^= odd;
  }

  // The value of a TCP or UDP checksum field. Zero is sent as 0xffff, which UDP requires and TCP accepts.
  uint16_t Checksum() const {
    const uint16_t checksum = static_cast<uint16_t>(~Swap(FoldOnes(sum_)));
    return checksum == 0 ? 0xffff : checksum;
  }
  // The value of an IPv4 header checksum.
  uint16_t HeaderChecksum() const { return static_cast<uint16_t>(~Swap(FoldOnes(sum_))); }

 private:
  static uint16_t Swap(uint16_t word) { return static_cast<uint16_t>(word << 8 | word >> 8); }

  uint64_t sum_ = 0;
  bool inside_word_ = false;
};

}  // namespace vpci
