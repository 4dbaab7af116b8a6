// SPDX-License-Identifier: BSD-3-Clause
// What VIRTIO 1.2 (2.7 and 2.8) says about the entries pending in a ring, written for clarity and sharing no
// code with the engine, which is compared with it.
#pragma once
#include <vector>

#include "guest.h"

namespace fuzz {

struct OracleSegment {
  uint64_t gpa;
  uint8_t* base;
  uint32_t len;
  bool writable;
};

struct OracleEntry {
  uint16_t id = 0;
  uint32_t slots = 1;
  // It can be read; whether it is usable is another question.
  bool legal = false;
  // A part of it lies where the device itself writes: the result is unpredictable.
  bool unsteady = false;
  std::vector<OracleSegment> segments;
  uint64_t table_gpa = 0;  // of its indirect table

  uint64_t bytes() const {
    uint64_t all = 0;
    for (const OracleSegment& s : segments) all += s.len;
    return all;
  }
  bool HasWritable(bool writable) const {
    for (const OracleSegment& s : segments)
      if (s.writable == writable) return true;
    return false;
  }
};

class RingOracle {
 public:
  RingOracle(GuestMemory& memory, const RingSetup& ring, QueueRole role)
      : memory_(memory), ring_(ring), role_(role), packed_(HasFeature(ring.features, VIRTIO_F_RING_PACKED)) {}

  bool packed() const { return packed_; }

  // Slots from one device position to another.
  uint32_t Distance(uint16_t from, uint16_t to) const {
    if (!packed_) return static_cast<uint16_t>(to - from);
    return (Place(to) + 2 * ring_.size - Place(from)) % (2 * ring_.size);
  }

  // The driver claims more pending entries than the ring holds.
  bool Overrun(uint16_t position) const {
    return !packed_ && static_cast<uint16_t>(Load<uint16_t>(ring_.avail + 2) - position) > ring_.size;
  }

  // The entries pending from `position` on. After an illegal entry of a packed ring the start of the next one
  // is unknown.
  std::vector<OracleEntry> Waiting(uint16_t position) const {
    std::vector<OracleEntry> all;
    if (Overrun(position)) return all;
    if (!packed_) {
      for (uint16_t at = position, end = Load<uint16_t>(ring_.avail + 2); at != end; at++)
        all.push_back(SplitEntry(at));
      return all;
    }
    for (uint32_t slots = 0; slots < ring_.size && Available(position, slots); slots += all.back().slots) {
      all.push_back(PackedEntry((Place(position) + slots) % ring_.size));
      // A list must not wrap around into slots of earlier entries.
      if (all.back().slots > ring_.size - slots) all.back().legal = false;
      if (!all.back().legal) break;
    }
    return all;
  }

  // Id and length of the entry that was used `slots` slots after `position`; nothing in a packed ring if the
  // descriptor there is not used.
  std::optional<VringUsedElem> Used(uint16_t position, uint32_t slots) const {
    if (!packed_)
      return Load<VringUsedElem>(ring_.used + 4 +
                                 uint64_t{8} * (static_cast<uint16_t>(position + slots) % ring_.size));
    const uint32_t place = Place(position) + slots;
    const auto d = Load<VringPackedDesc>(ring_.desc + uint64_t{16} * (place % ring_.size));
    const uint16_t both = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
    if ((d.flags & both) != (Wrap(place) ? both : 0)) return {};
    return VringUsedElem{d.id, (d.flags & VRING_DESC_F_WRITE) ? d.len : 0};
  }

  // Where a burst may write besides the buffers.
  Region UsedArea() const {
    if (packed_) return {ring_.desc, 16 * ring_.size};
    return {ring_.used, 8 * ring_.size + 4};
  }
  bool MeetsUsed(uint64_t gpa, uint64_t len) const {
    const Region area = UsedArea();
    return gpa < area.gpa + area.size && area.gpa < gpa + len;
  }

 private:
  // A packed-ring position as one number: slots of the lap with the wrap counter at 1, then those of the
  // other lap.
  uint32_t Place(uint16_t position) const {
    return (position & 0x7fff) + ((position & VRING_PACKED_WRAP) ? 0 : ring_.size);
  }
  bool Wrap(uint32_t place) const { return place / ring_.size % 2 == 0; }

  template <typename T>
  T Load(uint64_t gpa) const {
    T value;
    std::memcpy(&value, memory_.Find(gpa, sizeof value), sizeof value);
    return value;
  }

  bool Available(uint16_t position, uint32_t slots) const {
    const uint32_t place = Place(position) + slots;
    const auto d = Load<VringPackedDesc>(ring_.desc + uint64_t{16} * (place % ring_.size));
    const bool avail = d.flags & VRING_PACKED_DESC_F_AVAIL, used = d.flags & VRING_PACKED_DESC_F_USED;
    return avail == Wrap(place) && used != Wrap(place);
  }

  bool Add(uint64_t addr, uint32_t len, uint16_t flags, OracleEntry* e) const {
    uint8_t* base = memory_.Find(addr, len);
    if (!base) return false;
    if (len == 0) return true;
    e->unsteady |= MeetsUsed(addr, len);
    e->segments.push_back({addr, base, len, (flags & VRING_DESC_F_WRITE) != 0});
    return true;
  }

  // 2.7.5.3 and 2.8.19: whole descriptors. The engine also requires the table to be aligned in this process.
  bool IsTable(uint64_t addr, uint32_t len, uint16_t flags, OracleEntry* e) const {
    if ((flags & VRING_DESC_F_NEXT) || len == 0 || len % 16 || len / 16 > kVringMaxSize) return false;
    uint8_t* table = memory_.Find(addr, len);
    if (!table || reinterpret_cast<uintptr_t>(table) % alignof(VringDesc)) return false;
    e->unsteady |= MeetsUsed(addr, len);
    e->table_gpa = addr;
    return true;
  }

  OracleEntry SplitEntry(uint16_t index) const {
    OracleEntry e;
    e.id = Load<uint16_t>(ring_.avail + 4 + uint64_t{2} * (index % ring_.size));
    e.legal = SplitChain(ring_.desc, ring_.size, e.id, ring_.size, false, &e);
    return e;
  }

  bool SplitChain(uint64_t table, uint32_t entries, uint32_t at, uint32_t ttl, bool indirect,
                  OracleEntry* e) const {
    for (;;) {
      if (at >= entries || ttl-- == 0) return false;
      const auto d = Load<VringDesc>(table + uint64_t{16} * at);
      if (d.flags & VRING_DESC_F_INDIRECT) {
        if (indirect || !IsTable(d.addr, d.len, d.flags, e)) return false;
        return SplitChain(d.addr, d.len / 16, 0, std::min(ttl + 1, d.len / 16), true, e);
      }
      if (!Add(d.addr, d.len, d.flags, e)) return false;
      if (!(d.flags & VRING_DESC_F_NEXT)) return true;
      at = d.next;
    }
  }

  OracleEntry PackedEntry(uint32_t slot) const {
    OracleEntry e;
    e.slots = 0;
    for (VringPackedDesc d{0, 0, 0, VRING_DESC_F_NEXT}; d.flags & VRING_DESC_F_NEXT;) {
      if (e.slots == ring_.size) return e;
      d = Load<VringPackedDesc>(ring_.desc + uint64_t{16} * ((slot + e.slots++) % ring_.size));
      e.id = d.id;
      if (d.flags & VRING_DESC_F_INDIRECT) {
        e.legal = e.slots == 1 && IsTable(d.addr, d.len, d.flags, &e) && PackedTable(d.addr, d.len / 16, &e);
        return e;
      }
      if (!Add(d.addr, d.len, d.flags, &e)) return e;
    }
    e.legal = true;
    return e;
  }

  // Only WRITE is meaningful in a table (2.8.7), and not even that on a ring that the device reads: drivers
  // leave it set. The list is no longer than the ring; the table's own descriptor does not count.
  bool PackedTable(uint64_t table, uint32_t entries, OracleEntry* e) const {
    if (entries > ring_.size) return false;
    for (uint32_t i = 0; i < entries; i++) {
      const auto d = Load<VringPackedDesc>(table + uint64_t{16} * i);
      if (!Add(d.addr, d.len, role_ == QueueRole::kTx ? d.flags : 0, e)) return false;
    }
    return true;
  }

  GuestMemory& memory_;
  RingSetup ring_;
  QueueRole role_;
  bool packed_;
};

}  // namespace fuzz
