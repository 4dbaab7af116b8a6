// SPDX-License-Identifier: BSD-3-Clause
// Frames that prove their own integrity: a sequence number and a checksum over the payload, behind a 42-byte
// Ethernet/IPv4/UDP header. The checksum is the folded sum of the payload's 32-bit words, so a generator with
// a fixed fill computes it from a constant, and a checker reads every byte. The headers are not covered:
// forwarders change them.
#pragma once
#include <cstdint>
#include <cstring>

namespace vpci {

inline constexpr uint32_t kTrafficHeaderBytes = 42;
inline constexpr uint32_t kTrafficSequenceAt = 42;  // u64
inline constexpr uint32_t kTrafficChecksumAt = 50;  // u32, computed with this field as zero
inline constexpr uint32_t kTrafficMinFrame = 60;
inline constexpr uint32_t kTrafficMaxFrame = 65535;

// Sum of the little-endian 32-bit words of [p, p + len); a partial last word is zero-padded.
inline uint64_t WordSum(const uint8_t* p, uint32_t len) {
  uint64_t sum = 0;
  uint32_t at = 0;
  for (; at + 4 <= len; at += 4) {
    uint32_t word;
    std::memcpy(&word, p + at, 4);
    sum += word;
  }
  if (at < len) {
    uint32_t word = 0;
    std::memcpy(&word, p + at, len - at);
    sum += word;
  }
  return sum;
}

// Includes the length, so that a truncated frame is detected even if the missing tail was zero.
inline uint32_t FoldSum(uint64_t sum, uint32_t frame_len) {
  sum += uint64_t{frame_len} << 16;
  sum = (sum & 0xffffffff) + (sum >> 32);
  return static_cast<uint32_t>(sum + (sum >> 32));
}

// -1 if the frame is too short. A double is exact for the first 2^53 frames.
inline double SequenceOf(const uint8_t* frame, uint32_t len) {
  if (len < kTrafficMinFrame) return -1;
  uint64_t sequence;
  std::memcpy(&sequence, frame + kTrafficSequenceAt, 8);
  return static_cast<double>(sequence);
}

struct FrameCheck {
  bool long_enough;
  bool checksum_ok;
  uint64_t sequence;
};

inline FrameCheck CheckFrame(const uint8_t* frame, uint32_t len) {
  if (len < kTrafficMinFrame) return {false, false, 0};
  uint64_t sequence;
  uint32_t checksum;
  std::memcpy(&sequence, frame + kTrafficSequenceAt, 8);
  std::memcpy(&checksum, frame + kTrafficChecksumAt, 4);
  // The checksum field is aligned to the payload's words (50 - 42 = 8), so it can be subtracted from the sum.
  uint64_t sum = WordSum(frame + kTrafficHeaderBytes, len - kTrafficHeaderBytes) - checksum;
  return {true, FoldSum(sum, len) == checksum, sequence};
}

}  // namespace vpci
