// SPDX-License-Identifier: BSD-3-Clause
// Software segmentation of a packet that still needs it (TCP over IPv4 or IPv6, UDP), for a receiver that
// does not accept such packets. The packet's metadata comes from its sender, and is checked here.
//
// A receiver may have room for only some segments. Then the packet becomes the rest: a packet of the same
// kind in the same mbufs, which the application still owns. So nothing is lost, duplicated or reordered.
#pragma once
#include <cstdint>

#include "packet/mbuf_pool.h"
#include "packet/tx_packet.h"
#include "ring/layout.h"

namespace vpci {

class Segmenter {
 public:
  // More segments would be an attack on the receiver's ring: no system's TCP makes segments below 64 bytes.
  static constexpr uint32_t kMaxSegments = 1024;

  // For packet `id` of `bytes` bytes, whose mbuf chain is valid. `receiver_checks`: checksums may be left to
  // the receiver (GUEST_CSUM).
  Segmenter(MbufPool& pool, uint32_t id, uint32_t bytes, bool receiver_checks)
      : pool_(pool), id_(id), bytes_(bytes), receiver_checks_(receiver_checks), payload_(pool, id) {}

  // False if the packet is not what its metadata says: it must be dropped.
  bool Open();

  // Builds the next segment; false after the last.
  bool Next();
  uint32_t bytes() const { return header_bytes_ + length_; }
  // Its virtio-net header, except num_buffers.
  const VirtioNetHdr& header() const { return net_header_; }
  // Copies the segment's next `len` bytes.
  void CopyTo(uint8_t* dst, uint32_t len);
  const uint8_t* protocol_headers() const { return headers_; }
  uint32_t header_bytes() const { return header_bytes_; }
  // Instead of CopyTo: visits the payload piece by piece, without counting it as copied before Took.
  template <class Piece>
  void EachPayload(Piece piece) const {
    Scatter(payload_).Each(length_, piece);
  }
  // The receiver has accepted the segment. `copied`: through CopyTo.
  void Took(bool copied = true) {
    if (!copied) payload_.Each(length_, [](uint8_t*, uint32_t) {});
    done_ += length_;
    index_++;
  }
  uint32_t taken() const { return index_; }

  // Removes the segments already taken from the packet.
  void LeaveRest();

 private:
  // Ethernet, two VLAN tags, the longest IP and TCP headers, or some IPv6 extension headers.
  static constexpr uint32_t kMaxHeaders = 256;

  bool FindNetworkHeader(uint32_t have);
  bool IsIpv4() const;
  bool IsIpv6() const;
  bool FindPayload(uint32_t have);
  void MakeHeaders(uint32_t length, bool last);
  void SetLengths(uint32_t length);
  void FinishChecksum();
  void DropTaken();
  uint32_t left() const { return bytes_ - header_bytes_ - done_; }
  uint8_t* transport() { return headers_ + l4_; }
  uint8_t* checksum_field() { return transport() + checksum_offset_; }

  MbufPool& pool_;
  const uint32_t id_;
  const uint32_t bytes_;
  const bool receiver_checks_;
  bool tcp_ = false, ipv4_ = false;
  uint8_t flags_ = 0;  // of TCP, as in the packet
  uint16_t segment_bytes_ = 0, checksum_offset_ = 0;
  uint16_t ip_id_ = 0, pseudo_sum_ = 0;
  uint32_t sequence_ = 0;
  uint32_t l3_ = 0, l4_ = 0, header_bytes_ = 0;
  uint32_t done_ = 0;   // payload bytes in the segments already taken
  uint32_t index_ = 0;  // of the current segment
  uint32_t length_ = 0, copied_ = 0;
  VirtioNetHdr net_header_{};
  Scatter payload_;
  uint8_t headers_[kMaxHeaders];
};

}  // namespace vpci
