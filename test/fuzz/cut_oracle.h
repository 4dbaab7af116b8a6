// SPDX-License-Identifier: BSD-3-Clause
// Which packets may be segmented, and what their segments are: an independent byte-by-byte reading of RFC
// 9293, 768, 791 and 8200, sharing no code with the engine, which is compared with it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fuzz {

struct CutRequest {
  bool tcp = false, allows_ipv4 = false, allows_ipv6 = false;
  uint32_t start = 0, offset = 0, size = 0;
  bool finish = false;  // checksums must be complete
};

class CutOracle {
 public:
  CutOracle(std::string packet, const CutRequest& request) : p_(std::move(packet)), r_(request) {}

  // Nothing if the packet is not what its metadata says.
  std::optional<std::vector<std::string>> Segments() {
    if (r_.size == 0 || r_.offset != (r_.tcp ? 16u : 6u) || !Parse()) return {};
    const std::string payload = p_.substr(end_);
    const size_t count = std::max<size_t>(1, (payload.size() + r_.size - 1) / r_.size);
    if (count > 1024) return {};
    std::vector<std::string> all;
    for (size_t i = 0; i < count; i++) {
      std::string s = p_.substr(0, end_) + payload.substr(i * r_.size, r_.size);
      const size_t ip_bytes = s.size() - l3_ - (ipv4_ ? 0 : 40);
      if (ip_bytes > 65535) return {};
      Put(s, l3_ + (ipv4_ ? 2 : 4), ip_bytes);
      if (ipv4_) {
        Put(s, l3_ + 4, Get(p_, l3_ + 4) + i);
        Put(s, l3_ + 10, 0);
        Put(s, l3_ + 10, ~Sum(s, l3_, r_.start));
      }
      if (r_.tcp) {
        const uint32_t sequence = (Get(p_, r_.start + 4) << 16 | Get(p_, r_.start + 6)) + i * r_.size;
        Put(s, r_.start + 4, sequence >> 16);
        Put(s, r_.start + 6, sequence);
        if (i + 1 < count) s[r_.start + 13] &= static_cast<char>(~0x09);
        if (i > 0) s[r_.start + 13] &= 0x7f;
      } else {
        Put(s, r_.start + 4, s.size() - r_.start);
      }
      Checksum(s);
      all.push_back(s);
    }
    return all;
  }

 private:
  static uint32_t Get(const std::string& s, size_t at) {
    return static_cast<uint8_t>(s[at]) << 8 | static_cast<uint8_t>(s[at + 1]);
  }
  static void Put(std::string& s, size_t at, size_t v) {
    s[at] = static_cast<char>(v >> 8);
    s[at + 1] = static_cast<char>(v);
  }
  static uint32_t Fold(uint64_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint32_t>(sum);
  }
  static uint32_t Sum(const std::string& s, size_t from, size_t to) {
    uint64_t sum = 0;
    for (size_t i = from; i < to; i++)
      sum += uint64_t{static_cast<uint8_t>(s[i])} << ((i - from) % 2 ? 0 : 8);
    return Fold(sum);
  }

  // Within the first 256 bytes, where all headers must be.
  bool Has(size_t end) const { return end <= std::min<size_t>(p_.size(), 256); }

  bool Parse() {
    l3_ = 14;
    if (!Has(l3_)) return false;
    for (int tags = 0; tags < 2 && (Type() == 0x8100 || Type() == 0x88a8); tags++)
      if (!Has(l3_ += 4)) return false;
    ipv4_ = Type() == 0x0800;
    if (!Has(r_.start)) return false;
    if (ipv4_ ? !(r_.allows_ipv4 && Ipv4()) : !(Type() == 0x86dd && r_.allows_ipv6 && Ipv6())) return false;
    if (!Has(r_.start + (r_.tcp ? 20 : 8))) return false;
    end_ = r_.start + (r_.tcp ? (static_cast<uint8_t>(p_[r_.start + 12]) >> 4) * 4 : 8);
    return end_ >= r_.start + (r_.tcp ? 20 : 8) && Has(end_);
  }
  uint32_t Type() const { return Get(p_, l3_ - 2); }
  uint32_t Byte(size_t at) const { return static_cast<uint8_t>(p_[at]); }
  bool Ipv4() const {
    if (l3_ + 20 > r_.start) return false;
    const bool fragment = (Get(p_, l3_ + 6) & 0x3fff) != 0;
    return Byte(l3_) >> 4 == 4 && l3_ + (Byte(l3_) & 15) * 4 == r_.start && !fragment &&
           Byte(l3_ + 9) == (r_.tcp ? 6u : 17u);
  }
  bool Ipv6() const {
    if (l3_ + 40 > r_.start || Byte(l3_) >> 4 != 6) return false;
    uint32_t next = Byte(l3_ + 6);
    size_t at = l3_ + 40;
    for (; at < r_.start; at += (Byte(at + 1) + 1) * 8) {
      if ((next != 0 && next != 43 && next != 60) || at + 8 > r_.start) return false;
      next = Byte(at);
      if (at + (Byte(at + 1) + 1) * 8 > r_.start) return false;
    }
    return next == (r_.tcp ? 6u : 17u);
  }

  // The packet's field holds the sum of a pseudo-header with the packet's length.
  void Checksum(std::string& s) const {
    const size_t field = r_.start + r_.offset;
    const uint64_t pseudo =
        Get(p_, field) + (0xffff - Fold(p_.size() - r_.start)) + Fold(s.size() - r_.start);
    Put(s, field, Fold(pseudo));
    if (!r_.finish) return;
    const uint32_t sum = 0xffff - Sum(s, r_.start, s.size());
    Put(s, field, sum ? sum : 0xffff);
  }

  const std::string p_;
  const CutRequest r_;
  bool ipv4_ = false;
  size_t l3_ = 0, end_ = 0;
};

}  // namespace fuzz
