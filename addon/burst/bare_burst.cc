// SPDX-License-Identifier: BSD-3-Clause
#include "burst/bare_burst.h"

#include <algorithm>

#include "burst/burst.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"

namespace vpci {
namespace {

struct alignas(64) Frame {
  uint8_t bytes[2048];
};

// Source of all writes and target of all reads; one per thread.
thread_local Frame frame;

struct Buffer {
  uint8_t* header;  // nullptr: does not fit
  uint32_t len;     // of the packet behind the header
  uint16_t id;
};

template <class Ring>
uint32_t ReturnOn(DeviceQueue& q, uint32_t n, uint32_t length) {
  Ring ring(q);
  for (uint32_t total = 0;;) {
    uint32_t done = 0;
    uint16_t id;
    for (; done < std::min(n - total, kBatch) && ring.PeekId(done, &id); done++)
      ring.Return(done, id, length);
    ring.Advance(done);
    ring.Publish();
    total += done;
    if (done < kBatch) return total;
  }
}

template <class Ring>
uint32_t TouchBatch(DeviceQueue& q, Ring& ring, uint32_t n, uint32_t length) {
  Buffer buffer[kBatch];
  const bool read = q.role == QueueRole::kRx;
  uint32_t count = 0, fitting = 0;
  for (; count < n; count++) {
    Entry e;
    if (!ring.Peek(count, &e)) break;
    const uint32_t len = read ? e.len : length;
    const bool fits =
        e.flags == (read ? 0 : VRING_DESC_F_WRITE) && len <= std::min<size_t>(e.len, sizeof frame);
    buffer[count] = {fits && len > q.hdr_bytes ? q.Translate(e.addr, e.len) : nullptr, len - q.hdr_bytes,
                     e.id};
    if (!buffer[count].header) continue;
    fitting++;
    PrefetchRead(buffer[count].header);
    if (!read) PrefetchWrite(buffer[count].header + q.hdr_bytes);
  }
  for (uint32_t i = 0; i < count; i++) {
    const Buffer& b = buffer[i];
    if (b.header && read) CopyPacket(frame.bytes, b.header + q.hdr_bytes, b.len);
    if (b.header && !read) {
      WritePlainHeader(b.header, q.hdr_bytes);
      CopyPacket(b.header + q.hdr_bytes, frame.bytes, b.len);
    }
    ring.Return(i, b.id, read ? 0 : length);
  }
  if (read && fitting == count) GiveBackRead(q, ring, buffer, count);
  ring.Advance(count);
  ring.Publish();
  return count;
}

template <class Ring>
uint32_t TouchOn(DeviceQueue& q, uint32_t n, uint32_t length) {
  q.burst.hand_back.Look(q.doorstep(), q.counters.good_packets);
  Ring ring(q);
  for (uint32_t total = 0;;) {
    const uint32_t done = TouchBatch(q, ring, std::min(n - total, kBatch), length);
    total += done;
    if (done < kBatch) return total;
  }
}

// Sent buffers may go back a batch at a time; filled ones each have a length.
template <class Run>
auto OnRingOf(const DeviceQueue& q, Run run) {
  return q.role == QueueRole::kRx ? OnReadRing(q, run) : OnRing(q, run);
}

}  // namespace

uint32_t ReturnBurst(DeviceQueue& q, uint32_t n, uint32_t length) {
  Burst<DeviceQueue> burst(q);
  if (!burst || q.is_section()) return 0;
  const uint32_t done = OnRingOf(q, [&]<class Ring>() { return ReturnOn<Ring>(q, n, length); });
  q.counters.good_packets += done;
  return done;
}

uint32_t TouchBurst(DeviceQueue& q, uint32_t n, uint32_t length) {
  Burst<DeviceQueue> burst(q);
  if (!burst || q.is_section()) return 0;
  const uint32_t done = OnRingOf(q, [&]<class Ring>() { return TouchOn<Ring>(q, n, length); });
  q.counters.good_packets += done;
  return done;
}

}  // namespace vpci
