// SPDX-License-Identifier: BSD-3-Clause
// TCP and UDP frames that a sender leaves unsegmented, and an independent, byte-by-byte model of the segments
// expected, sharing no code with the engine.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "packet/mbuf_pool.h"

namespace mock {

struct GsoFrame {
  bool tcp = true;
  bool ipv6 = false;
  uint32_t tags = 0;
  uint32_t ip_options = 0;  // bytes: IPv4 options, or one IPv6 destination header (8 or more)
  uint32_t tcp_options = 0;
  uint8_t tcp_flags = 0x18;
  uint32_t sequence = 0xffffff00;
  uint16_t ip_id = 0xfffe;

  uint32_t l3() const { return 14 + 4 * tags; }
  uint32_t l4() const { return l3() + (ipv6 ? 40 : 20) + ip_options; }
  uint32_t header_bytes() const { return l4() + (tcp ? 20 + tcp_options : 8); }
  uint16_t csum_offset() const { return tcp ? 16 : 6; }
  uint16_t flags() const {
    return static_cast<uint16_t>(vpci::MBUF_F_NEEDS_CSUM | (!tcp   ? vpci::MBUF_F_USO
                                                            : ipv6 ? vpci::MBUF_F_TSO6
                                                                   : vpci::MBUF_F_TSO4));
  }
  // The frame; the checksum field holds the sum of the pseudo-header.
  std::string Make(const std::string& payload) const;
};

inline void Put16(std::string& s, size_t at, uint32_t v) {
  s[at] = static_cast<char>(v >> 8);
  s[at + 1] = static_cast<char>(v);
}
inline uint32_t Get16(const std::string& s, size_t at) {
  return static_cast<uint8_t>(s[at]) << 8 | static_cast<uint8_t>(s[at + 1]);
}
inline uint32_t Get32(const std::string& s, size_t at) { return Get16(s, at) << 16 | Get16(s, at + 2); }

// Sum of [from, to) as 16-bit words, plus `sum`.
inline uint32_t OnesSum(const std::string& s, size_t from, size_t to, uint32_t sum = 0) {
  for (size_t i = from; i < to; i++)
    sum += (i - from) % 2 ? static_cast<uint8_t>(s[i]) : static_cast<uint8_t>(s[i]) << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

inline uint32_t PseudoSum(const std::string& frame, const GsoFrame& g, uint32_t length) {
  const uint32_t addresses = g.l3() + (g.ipv6 ? 8 : 12);
  return OnesSum(frame, addresses, addresses + (g.ipv6 ? 32 : 8), length + (g.tcp ? 6 : 17));
}

inline std::string GsoFrame::Make(const std::string& payload) const {
  std::string s(header_bytes(), '\0');
  for (uint32_t i = 0; i < 12; i++) s[i] = static_cast<char>(2 + i);
  for (uint32_t tag = 0; tag < tags; tag++) Put16(s, 12 + 4 * tag, tags == 2 && tag == 0 ? 0x88a8 : 0x8100);
  Put16(s, l3() - 2, ipv6 ? 0x86dd : 0x0800);
  const uint8_t protocol = tcp ? 6 : 17;
  const uint32_t ip_bytes = header_bytes() - l3() + static_cast<uint32_t>(payload.size());
  if (ipv6) {
    s[l3()] = 0x60;
    Put16(s, l3() + 4, ip_bytes - 40);
    s[l3() + 6] = ip_options ? 60 : static_cast<char>(protocol);
    for (uint32_t i = 8; i < 40; i++) s[l3() + i] = static_cast<char>(0x20 + i);
    if (ip_options) {
      s[l3() + 40] = static_cast<char>(protocol);
      s[l3() + 41] = static_cast<char>(ip_options / 8 - 1);
    }
  } else {
    s[l3()] = static_cast<char>(0x40 | (20 + ip_options) / 4);
    Put16(s, l3() + 2, ip_bytes);
    Put16(s, l3() + 4, ip_id);
    s[l3() + 6] = 0x40;
    s[l3() + 8] = 64;
    s[l3() + 9] = static_cast<char>(protocol);
    for (uint32_t i = 12; i < 20; i++) s[l3() + i] = static_cast<char>(10 + i);
    for (uint32_t i = 0; i < ip_options; i++) s[l3() + 20 + i] = 1;
    Put16(s, l3() + 10, ~OnesSum(s, l3(), l4()));
  }
  Put16(s, l4(), 1234);
  Put16(s, l4() + 2, 80);
  if (tcp) {
    Put16(s, l4() + 4, sequence >> 16);
    Put16(s, l4() + 6, sequence);
    s[l4() + 12] = static_cast<char>((20 + tcp_options) / 4 << 4);
    s[l4() + 13] = static_cast<char>(tcp_flags);
    for (uint32_t i = 0; i < tcp_options; i++) s[l4() + 20 + i] = 1;
  } else {
    Put16(s, l4() + 4, 8 + static_cast<uint32_t>(payload.size()));
  }
  const uint32_t length = header_bytes() - l4() + static_cast<uint32_t>(payload.size());
  Put16(s, l4() + csum_offset(), PseudoSum(s, *this, length));
  return s + payload;
}

// Segments of `gso` bytes as a receiver must see them, starting `done` payload bytes and `index` segments
// into the flow's packet; `finished`: with complete checksums, otherwise with the pseudo-header's sum.
inline std::vector<std::string> ExpectedSegments(const GsoFrame& whole, const std::string& payload,
                                                 uint32_t gso, bool finished) {
  std::vector<std::string> all;
  for (uint32_t done = 0, index = 0; done < payload.size() || index == 0; done += gso, index++) {
    GsoFrame g = whole;
    const bool last = done + gso >= payload.size();
    g.sequence += done;
    g.ip_id = static_cast<uint16_t>(g.ip_id + index);
    if (!last) g.tcp_flags &= static_cast<uint8_t>(~0x09);
    if (index > 0) g.tcp_flags &= 0x7f;
    std::string s = g.Make(payload.substr(done, gso));
    if (finished) {
      uint32_t sum = OnesSum(s, g.l4(), s.size()) ^ 0xffff;
      Put16(s, g.l4() + g.csum_offset(), sum ? sum : 0xffff);
    }
    all.push_back(s);
  }
  return all;
}

}  // namespace mock
