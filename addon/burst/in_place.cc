// SPDX-License-Identifier: BSD-3-Clause
#include "burst/in_place.h"

#include <algorithm>

#include "burst/burst.h"
#include "burst/single_buffer.h"
#include "ring/section_ring.h"

namespace vpci {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << kWindowBits;

// Shows the application where the packet behind `header` is. False if it spans two windows, or lies in
// another window than those before it.
bool Show(DeviceQueue& q, uint32_t slot, const uint8_t* header, uint32_t room) {
  const uint64_t at = q.region_mapping_offset + static_cast<uint64_t>(header + q.hdr_bytes - q.region_base);
  const uint64_t offset = at & (kWindowBytes - 1);
  if (room > kWindowBytes - offset) return false;
  const uint32_t window = static_cast<uint32_t>(at >> kWindowBits);
  if (slot == 0) {
    q.burst.slots.mapping = q.region_mapping;
    q.burst.slots.window = window;
  } else if (__builtin_expect(q.region_mapping != q.burst.slots.mapping || window != q.burst.slots.window,
                              0)) {
    return false;
  }
  q.burst.slots.offset[slot] = static_cast<uint32_t>(offset);
  q.burst.slots.room[slot] = room;
  return true;
}

template <class Ring>
uint32_t ReserveOn(DeviceQueue& q, uint32_t n) {
  Ring ring(q);
  SingleBuffers buffers(q);
  uint32_t count = 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e)) break;
    uint8_t* header = buffers.Writable(e, 1);
    if (!header || !Show(q, count, header, e.len - q.hdr_bytes)) break;
    q.burst.held_buffer[count] = {header, e.len - q.hdr_bytes, e.id};
    PrefetchRead(header);
    PrefetchWrite(header + q.hdr_bytes);
  }
  return count;
}

template <class Ring>
uint32_t CommitOn(DeviceQueue& q, uint32_t n) {
  Ring ring(q);
  FrameTally tally(q.counters);
  uint32_t done = 0;
  for (; done < n; done++) {
    const HeldBuffer& held = q.burst.held_buffer[done];
    const uint32_t len = LoadOnce(&q.burst.slots.length[done]);
    if (len == 0 || len > held.room) break;
    WritePlainHeader(held.header, q.hdr_bytes);
    tally.Count(First8(held.header + q.hdr_bytes, len), len);
    ring.Return(done, held.id, len + q.hdr_bytes);
  }
  ring.Advance(done);
  ring.Publish();
  return done;
}

template <class Ring>
uint32_t PeekOn(DeviceQueue& q, uint32_t n) {
  q.burst.hand_back.Look(q.doorstep(), q.counters.good_packets);
  Ring ring(q);
  SingleBuffers buffers(q);
  const bool offload = (q.variant & kVariantOffload) != 0;
  uint32_t count = 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e)) break;
    const uint8_t* header = buffers.Readable(e, kMaxPacketBytes);
    if (!header || (offload && !AsksForNothing(CopyHeader(header)))) break;
    if (!Show(q, count, header, e.len - q.hdr_bytes)) break;
    q.burst.slots.length[count] = e.len - q.hdr_bytes;
    PrefetchRead(header + q.hdr_bytes);
    q.burst.held_buffer[count] = {const_cast<uint8_t*>(header), e.len - q.hdr_bytes, e.id};
  }
  return count;
}

template <class Ring>
uint32_t ReleaseOn(DeviceQueue& q, uint32_t n) {
  Ring ring(q);
  FrameTally tally(q.counters);
  const bool gives_back = q.burst.hand_back.Pays(n);
  for (uint32_t i = 0; i < n; i++) {
    const HeldBuffer& held = q.burst.held_buffer[i];
    tally.Count(First8(held.header + q.hdr_bytes, held.room), held.room);
    if (gives_back) q.burst.hand_back.Packet(held.header + q.hdr_bytes, held.room);
    ring.Return(i, held.id, 0);
  }
  ring.Advance(n);
  ring.Publish();
  return n;
}

// In a section that we send by. Room that a frame does not need stays unused until the peer has returned it,
// so one reservation gets a quarter of the data, but each frame at least the room that a peer's buffer
// usually has.
uint32_t ReserveInSection(DeviceQueue& q, uint32_t n) {
  constexpr uint32_t kUsualRoom = 2048;
  if (n == 0) return 0;
  SectionRing ring(q);
  const uint32_t room = std::min(ring.max_frame(), std::max(kUsualRoom, ring.data_bytes() / 4 / n));
  uint32_t count = 0;
  for (n = std::min(n, ring.free()); count < n; count++) {
    uint8_t* const header = ring.Take(q.hdr_bytes + room);
    if (!header) break;
    if (!Show(q, count, header, room)) {
      ring.TakeOut(1);
      break;
    }
    q.burst.held_buffer[count] = {header, room, 0};
  }
  ring.Save();
  return count;
}

uint32_t CommitInSection(DeviceQueue& q, uint32_t n) {
  SectionRing ring(q);
  FrameTally tally(q.counters);
  uint32_t done = 0;
  for (; done < n; done++) {
    const HeldBuffer& held = q.burst.held_buffer[done];
    const uint32_t len = LoadOnce(&q.burst.slots.length[done]);
    if (len == 0 || len > held.room) break;
    if (q.hdr_bytes != 0) WritePlainHeader(held.header, q.hdr_bytes);
    tally.Count(First8(held.header + q.hdr_bytes, len), len);
    ring.Shorten(q.burst.held - 1u - done, held.header, len + q.hdr_bytes);
  }
  ring.TakeOut(q.burst.held - done);
  ring.Publish();
  return done;
}

using Step = uint32_t (*)(DeviceQueue&, uint32_t);

uint32_t Take(DeviceQueue& q, uint32_t n, Step take) {
  if (!q.Enter()) return 0;
  const uint32_t count = take(q, std::min(n, InPlaceSlots::kMax));
  q.burst.held = static_cast<uint8_t>(count);
  if (count == 0) q.Leave();
  return count;
}

// Another thread may have closed a gate meanwhile; the ring is still ours until we leave, unless the closing
// side has given up waiting for a slow application.
uint32_t Give(DeviceQueue& q, uint32_t n, Step give) {
  if (q.burst.held == 0) return 0;
  const uint32_t done = q.Lost() ? 0 : give(q, std::min<uint32_t>(n, q.burst.held));
  CountMoved(q.counters, done);
  q.burst.held = 0;
  q.Leave();
  return done;
}

}  // namespace

uint32_t Reserve(DeviceQueue& q, uint32_t n) {
  return Take(q, n, [](DeviceQueue& q, uint32_t n) {
    return q.sender ? ReserveInSection(q, n) : OnRing(q, [&]<class Ring>() { return ReserveOn<Ring>(q, n); });
  });
}

uint32_t Commit(DeviceQueue& q, uint32_t n) {
  return Give(q, n, [](DeviceQueue& q, uint32_t n) {
    return q.sender ? CommitInSection(q, n) : OnRing(q, [&]<class Ring>() { return CommitOn<Ring>(q, n); });
  });
}

uint32_t Peek(DeviceQueue& q, uint32_t n) {
  // Pending announcements go through RxBurst.
  if (q.announce.load(std::memory_order_relaxed) != 0) return 0;
  return Take(q, n, [](DeviceQueue& q, uint32_t n) {
    return OnPeekRing(q, [&]<class Ring>() { return PeekOn<Ring>(q, n); });
  });
}

uint32_t Release(DeviceQueue& q, uint32_t n) {
  return Give(q, n, [](DeviceQueue& q, uint32_t n) {
    return OnPeekRing(q, [&]<class Ring>() { return ReleaseOn<Ring>(q, n); });
  });
}

}  // namespace vpci
