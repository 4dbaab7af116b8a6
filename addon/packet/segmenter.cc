// SPDX-License-Identifier: BSD-3-Clause
#include "packet/segmenter.h"

#include <algorithm>
#include <cstring>

#include "packet/checksum.h"

namespace vpci {
namespace {

constexpr uint32_t kEtherHeader = 14, kVlanTag = 4;
constexpr uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd, kTypeVlan = 0x8100, kTypeServiceVlan = 0x88a8;
constexpr uint8_t kProtocolTcp = 6, kProtocolUdp = 17;
constexpr uint32_t kIpv4Header = 20, kIpv6Header = 40, kTcpHeader = 20, kUdpHeader = 8;
// RFC 9293, 3.1: offsets in the TCP header, and its flag bits.
constexpr uint32_t kTcpSequence = 4, kTcpDataOffset = 12, kTcpFlags = 13, kTcpChecksum = 16;
constexpr uint8_t kFin = 0x01, kPush = 0x08, kReduced = 0x80;
constexpr uint32_t kUdpLength = 4, kUdpChecksum = 6;
// RFC 791.
constexpr uint32_t kIpLength = 2, kIpId = 4, kIpFragment = 6, kIpProtocol = 9, kIpChecksum = 10;
constexpr uint16_t kIpFragmentMask = 0x3fff;
// RFC 8200. Extension headers that a segment may repeat unchanged: hop-by-hop, routing, destination.
constexpr uint32_t kIpv6Length = 4, kIpv6Next = 6;
constexpr bool MayRepeat(uint8_t header) { return header == 0 || header == 43 || header == 60; }

}  // namespace

bool Segmenter::Open() {
  const uint16_t offload = pool_.ol_flags()[id_];
  tcp_ = (offload & MBUF_F_USO) == 0;
  segment_bytes_ = pool_.gso_size()[id_];
  l4_ = pool_.csum_start()[id_];
  checksum_offset_ = pool_.csum_offset()[id_];
  if (checksum_offset_ != (tcp_ ? kTcpChecksum : kUdpChecksum) || segment_bytes_ == 0) return false;
  const uint32_t have = std::min(bytes_, kMaxHeaders);
  Scatter(pool_, id_).CopyTo(headers_, have);
  if (!FindNetworkHeader(have) || !FindPayload(have)) return false;
  if (ipv4_ ? (offload & MBUF_F_TSO6) : (offload & MBUF_F_TSO4)) return false;
  // A datagram's length has 16 bits.
  const uint32_t longest = header_bytes_ - l3_ + std::min<uint32_t>(left(), segment_bytes_);
  if (longest - (ipv4_ ? 0 : kIpv6Header) > 0xffff) return false;
  if (left() > uint64_t{kMaxSegments} * segment_bytes_) return false;
  payload_.Each(header_bytes_, [](uint8_t*, uint32_t) {});
  return true;
}

bool Segmenter::FindNetworkHeader(uint32_t have) {
  l3_ = kEtherHeader;
  if (l3_ > have) return false;
  uint16_t type = LoadBig16(headers_ + l3_ - 2);
  for (int tags = 0; tags < 2 && (type == kTypeVlan || type == kTypeServiceVlan); tags++) {
    l3_ += kVlanTag;
    if (l3_ > have) return false;
    type = LoadBig16(headers_ + l3_ - 2);
  }
  ipv4_ = type == kTypeIpv4;
  // The parsers below read nothing beyond the start of the transport header.
  if (l4_ > have || (!ipv4_ && type != kTypeIpv6)) return false;
  return ipv4_ ? IsIpv4() : IsIpv6();
}

// A valid IPv4 header from l3 to l4, not a fragment.
bool Segmenter::IsIpv4() const {
  const uint8_t* ip = headers_ + l3_;
  if (l3_ + kIpv4Header > l4_ || ip[0] >> 4 != 4 || l3_ + (ip[0] & 0xf) * 4u != l4_) return false;
  return ip[kIpProtocol] == (tcp_ ? kProtocolTcp : kProtocolUdp) &&
         (LoadBig16(ip + kIpFragment) & kIpFragmentMask) == 0;
}

// A valid IPv6 header and extensions whose chain ends at l4.
bool Segmenter::IsIpv6() const {
  const uint8_t* ip = headers_ + l3_;
  if (l3_ + kIpv6Header > l4_ || ip[0] >> 4 != 6) return false;
  uint8_t next = ip[kIpv6Next];
  uint32_t at = l3_ + kIpv6Header;
  while (at < l4_) {
    if (!MayRepeat(next) || at + 8 > l4_) return false;
    next = headers_[at];
    at += (headers_[at + 1] + 1u) * 8;
  }
  return at == l4_ && next == (tcp_ ? kProtocolTcp : kProtocolUdp);
}

bool Segmenter::FindPayload(uint32_t have) {
  if (l4_ + (tcp_ ? kTcpHeader : kUdpHeader) > have) return false;
  const uint32_t bytes = tcp_ ? (transport()[kTcpDataOffset] >> 4) * 4u : kUdpHeader;
  header_bytes_ = l4_ + bytes;
  if (bytes < (tcp_ ? kTcpHeader : kUdpHeader) || header_bytes_ > have) return false;
  pseudo_sum_ = LoadBig16(checksum_field());
  if (ipv4_) ip_id_ = LoadBig16(headers_ + l3_ + kIpId);
  if (tcp_) {
    sequence_ = LoadBig32(transport() + kTcpSequence);
    flags_ = transport()[kTcpFlags];
  }
  return true;
}

bool Segmenter::Next() {
  if (left() == 0 && index_ > 0) return false;
  length_ = std::min<uint32_t>(left(), segment_bytes_);
  copied_ = 0;
  MakeHeaders(length_, length_ == left());
  net_header_ = {};
  if (receiver_checks_) {
    net_header_.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    net_header_.csum_start = static_cast<uint16_t>(l4_);
    net_header_.csum_offset = checksum_offset_;
  } else {
    FinishChecksum();
  }
  return true;
}

// Builds the headers of the next segment, of `length` bytes, with its checksum unfinished.
void Segmenter::MakeHeaders(uint32_t length, bool last) {
  SetLengths(length);
  if (tcp_) {
    StoreBig32(transport() + kTcpSequence, sequence_ + done_);
    uint8_t flags = flags_;
    if (!last) flags &= static_cast<uint8_t>(~(kFin | kPush));
    // The window was reduced only once (RFC 3168, 6.1.2).
    if (index_ > 0) flags &= static_cast<uint8_t>(~kReduced);
    transport()[kTcpFlags] = flags;
  } else {
    StoreBig16(transport() + kUdpLength, kUdpHeader + length);
  }
  // The pseudo-header sum that came with the packet includes its length: replace that by the segment's.
  const uint32_t was = bytes_ - l4_, is = header_bytes_ - l4_ + length;
  const uint64_t sum = uint64_t{pseudo_sum_} + static_cast<uint16_t>(~FoldOnes(was)) + FoldOnes(is);
  StoreBig16(checksum_field(), FoldOnes(sum));
}

void Segmenter::SetLengths(uint32_t length) {
  uint8_t* ip = headers_ + l3_;
  const uint32_t bytes = header_bytes_ - l3_ + length;
  if (!ipv4_) return StoreBig16(ip + kIpv6Length, bytes - kIpv6Header);
  StoreBig16(ip + kIpLength, bytes);
  StoreBig16(ip + kIpId, ip_id_ + index_);
  StoreBig16(ip + kIpChecksum, 0);
  InternetSum sum;
  sum.Add(ip, l4_ - l3_);
  StoreBig16(ip + kIpChecksum, sum.HeaderChecksum());
}

void Segmenter::FinishChecksum() {
  InternetSum sum;
  sum.Add(transport(), header_bytes_ - l4_);
  EachPayload([&sum](const uint8_t* p, uint32_t n) { sum.Add(p, n); });
  StoreBig16(checksum_field(), sum.Checksum());
}

void Segmenter::CopyTo(uint8_t* dst, uint32_t len) {
  if (copied_ < header_bytes_) {
    const uint32_t part = std::min(len, header_bytes_ - copied_);
    std::memcpy(dst, headers_ + copied_, part);
    copied_ += part;
    dst += part;
    len -= part;
  }
  payload_.CopyTo(dst, len);
}

void Segmenter::LeaveRest() {
  if (index_ == 0) return;
  MakeHeaders(left(), true);
  DropTaken();
  uint32_t at = 0;
  Scatter(pool_, id_).Each(header_bytes_, [&](uint8_t* p, uint32_t n) {
    std::memcpy(p, headers_ + at, n);
    at += n;
  });
  pool_.pkt_len()[id_] = bytes_ - done_;
}

// Removes the payload already sent from the front of the mbufs. Header bytes before it in the same mbuf move
// up.
void Segmenter::DropTaken() {
  uint32_t header = header_bytes_, drop = done_;
  for (uint32_t id = id_; drop > 0; id = pool_.next()[id]) {
    const uint32_t of_header = std::min<uint32_t>(header, pool_.data_len()[id]);
    const uint32_t gone = std::min(drop, pool_.data_len()[id] - of_header);
    uint8_t* data = pool_.buffer(id) + pool_.data_off()[id];
    if (gone > 0) std::memmove(data + gone, data, of_header);
    pool_.data_off()[id] = static_cast<uint16_t>(pool_.data_off()[id] + gone);
    pool_.data_len()[id] = static_cast<uint16_t>(pool_.data_len()[id] - gone);
    header -= of_header;
    drop -= gone;
  }
}

}  // namespace vpci
