// SPDX-License-Identifier: BSD-3-Clause
// Packet copies. Most packets are short, and for those the call and the size dispatch of memcpy cost as much
// as the copy; overlapping wide moves handle any length from 16 to 256 without touching a byte outside [src,
// src + len) and [dst, dst + len).
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace vpci {

inline constexpr uint32_t kInlineCopyMax = 256;

inline void CopyTiny(uint8_t* dst, const uint8_t* src, uint32_t len) {
  if (len >= 8) {
    uint64_t head, tail;
    std::memcpy(&head, src, 8);
    std::memcpy(&tail, src + len - 8, 8);
    std::memcpy(dst, &head, 8);
    std::memcpy(dst + len - 8, &tail, 8);
    return;
  }
  while (len--) *dst++ = *src++;
}

// The two may overlap: a peer's buffer may lie over its packet. The bytes are then of no use to that peer,
// and of no harm to anybody.
inline void CopyPacket(uint8_t* dst, const uint8_t* src, uint32_t len) {
#if defined(__x86_64__)
  if (__builtin_expect(len > kInlineCopyMax, 0)) {
    std::memmove(dst, src, len);
    return;
  }
  if (__builtin_expect(len < 16, 0)) return CopyTiny(dst, src, len);
  const auto load = [src](uint32_t at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + at));
  };
  const auto store = [dst](uint32_t at, __m128i v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + at), v);
  };
  const __m128i tail = load(len - 16);
  if (__builtin_expect(len <= 64, 1)) {
    const __m128i head = load(0);
    if (__builtin_expect(len > 32, 1)) {
      const __m128i second = load(16), third = load(len - 32);
      store(0, head);
      store(16, second);
      store(len - 32, third);
    } else {
      store(0, head);
    }
    store(len - 16, tail);
    return;
  }
  uint32_t at = 0;
  for (; at + 64 <= len; at += 64) {
    __m128i a = load(at), b = load(at + 16), c = load(at + 32), d = load(at + 48);
    store(at, a);
    store(at + 16, b);
    store(at + 32, c);
    store(at + 48, d);
  }
  for (; at + 16 <= len; at += 16) store(at, load(at));
  store(len - 16, tail);
#else
  std::memmove(dst, src, len);
#endif
}

// Whether [a, a + len) and [b, b + len) hold the same bytes. If the peer changes one meanwhile, the result
// may be either.
inline bool SameBytes(const uint8_t* a, const uint8_t* b, uint32_t len) {
#if defined(__x86_64__)
  if (len < 16 || len > 64) return std::memcmp(a, b, len) == 0;
  const auto equal = [a, b](uint32_t at) {
    return _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + at)),
                          _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + at)));
  };
  __m128i all = _mm_and_si128(equal(0), equal(len - 16));
  if (len > 32) all = _mm_and_si128(all, _mm_and_si128(equal(16), equal(len - 32)));
  return _mm_movemask_epi8(all) == 0xffff;
#else
  return std::memcmp(a, b, len) == 0;
#endif
}

}  // namespace vpci
