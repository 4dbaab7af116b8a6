// SPDX-License-Identifier: BSD-3-Clause
// A handmade driver that offers entries of any shape to a split or a packed ring, each with its own
// descriptors, and sees which of them were used. It goes round a ring at most once.
#pragma once
#include <optional>

#include "mock_peer.h"

namespace mock {

inline constexpr uint64_t kPackedBit = uint64_t{1} << VIRTIO_F_RING_PACKED;

// Memory that buffers may share.
inline constexpr uint64_t kScratch = kGpa + 0x9000;

// Every kind of ring, with and without headers that carry offloads.
inline std::vector<uint64_t> RingFeatures() {
  std::vector<uint64_t> all;
  for (uint64_t packed : {0, 1})
    for (uint64_t in_order : {0, 1})
      for (uint64_t csum : {0, 1})
        all.push_back(Modern() | packed << VIRTIO_F_RING_PACKED | in_order << VIRTIO_F_IN_ORDER |
                      csum << VIRTIO_NET_F_CSUM);
  return all;
}

class ByHand {
 public:
  ByHand(QueueRole role, uint64_t features, uint32_t size = 32)
      : peer(size), packed_(features & kPackedBit), in_order_(HasFeature(features, VIRTIO_F_IN_ORDER)) {
    if (peer.Start(role, features, packed_ ? VRING_PACKED_WRAP : 0) != StartError::kNone) std::abort();
  }

  DeviceQueue& queue() { return peer.queue; }

  // Descriptors of one entry, of which address, length and flags matter; returns the number of the entry.
  uint32_t Offer(std::vector<VringDesc> list) {
    if (next_ + list.size() > peer.size()) std::abort();
    const uint32_t head = next_;
    for (size_t i = 0; i < list.size(); i++, next_++) {
      if (i + 1 < list.size()) list[i].flags |= VRING_DESC_F_NEXT;
      list[i].next = static_cast<uint16_t>(next_ + 1);
    }
    for (uint32_t at = next_; at-- > head;) Write(at, list[at - head], head);
    if (!packed_) peer.Offer(static_cast<uint16_t>(head));
    heads_.push_back(head);
    return static_cast<uint32_t>(heads_.size() - 1);
  }

  // A packet of a zero header and `frame`, split into pieces.
  uint32_t OfferPacket(const std::string& frame, std::vector<uint32_t> cuts = {}) {
    const std::string all = std::string(queue().hdr_bytes, '\0') + frame;
    if (cuts.empty()) cuts = {static_cast<uint32_t>(all.size())};
    std::vector<VringDesc> list;
    size_t done = 0;
    for (uint32_t cut : cuts) {
      const uint64_t gpa = peer.Allocate(cut);
      std::memcpy(peer.at(gpa), all.data() + done, cut);
      done += cut;
      list.push_back({gpa, cut, 0, 0});
    }
    return Offer(list);
  }

  // A receive buffer in one piece; returns its address.
  uint64_t OfferBuffer(uint32_t len) {
    const uint64_t gpa = peer.Allocate(len);
    Offer({{gpa, len, VRING_DESC_F_WRITE, 0}});
    return gpa;
  }

  // An entry with an indirect descriptor table.
  uint32_t OfferTable(std::vector<VringDesc> list) {
    const uint32_t bytes = static_cast<uint32_t>(16 * list.size());
    const uint64_t gpa = (peer.Allocate(bytes + 16) + 15) & ~uint64_t{15};
    for (size_t i = 0; i < list.size(); i++) {
      VringDesc d = list[i];
      if (!packed_ && i + 1 < list.size()) d.flags |= VRING_DESC_F_NEXT;
      d.next = packed_ ? 0 : static_cast<uint16_t>(i + 1);
      // A packed descriptor has id and flags in the opposite order.
      if (packed_) d = {d.addr, d.len, 0, d.flags};
      std::memcpy(peer.at(gpa) + 16 * i, &d, sizeof d);
    }
    return Offer({{gpa, bytes, VRING_DESC_F_INDIRECT, 0}});
  }

  // The length with which an entry was used, if it was. With IN_ORDER one used entry may stand for several,
  // and in a packed ring it is in the slot of the first of them (VIRTIO 1.2, 2.7.9 and 2.8.9).
  std::optional<uint32_t> Used(uint32_t entry) {
    if (packed_) {
      for (uint32_t first = entry + 1; first-- > 0;) {
        const VringPackedDesc d = peer.slots()[heads_[first]];
        if ((d.flags & kBoth) != kBoth) continue;
        if (d.id < heads_[entry]) return {};
        return first == entry && (d.flags & VRING_DESC_F_WRITE) ? d.len : 0;
      }
      return {};
    }
    for (uint16_t i = 0; i < peer.used()->idx; i++)
      if (peer.used()->ring[i].id == heads_[entry]) return peer.used()->ring[i].len;
    return in_order_ && entry < peer.used()->idx ? std::optional<uint32_t>(0) : std::nullopt;
  }

  // True if the device has returned every entry.
  bool AllUsed() {
    for (uint32_t entry = 0; entry < heads_.size(); entry++)
      if (!Used(entry)) return false;
    return packed_ || peer.used()->idx == heads_.size();
  }

  Peer peer;

 private:
  static constexpr uint16_t kBoth = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;

  void Write(uint32_t at, const VringDesc& d, uint32_t head) {
    if (!packed_) {
      peer.desc()[at] = d;
      return;
    }
    peer.slots()[at] = {d.addr, d.len, static_cast<uint16_t>(head),
                        static_cast<uint16_t>(d.flags | VRING_PACKED_DESC_F_AVAIL)};
  }

  const bool packed_, in_order_;
  uint32_t next_ = 0;
  std::vector<uint32_t> heads_;
};

}  // namespace mock
