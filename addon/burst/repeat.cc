// SPDX-License-Identifier: BSD-3-Clause
#include "burst/repeat.h"

#include <algorithm>

#include "burst/burst.h"
#include "burst/section_tx.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"
#include "packet/tx_packet.h"

namespace vpci {
namespace {

struct Packet {
  const uint8_t* head;
  uint32_t head_bytes;
  uint32_t length;
};

template <class Ring>
uint32_t SendBatch(DeviceQueue& q, Ring& ring, const Packet& packet, uint32_t n) {
  HeldBuffer found[kBatch];
  n = q.burst.repeated ? FindBuffers<false>(q, ring, n, packet.head_bytes, found)
                       : FindBuffers<true>(q, ring, n, packet.head_bytes, found);
  FrameTally tally(q.counters);
  const uint32_t hdr_bytes = q.hdr_bytes;
  const uint64_t first8 = First8(packet.head, packet.head_bytes);
  uint32_t done = 0, written = 0;
  for (; done < n && packet.length <= found[done].room; done++) {
    uint8_t* header = found[done].header;
    WritePlainHeader(header, hdr_bytes);
    if (__builtin_expect(!SameBytes(header + hdr_bytes, packet.head, packet.head_bytes), 0)) {
      CopyPacket(header + hdr_bytes, packet.head, packet.head_bytes);
      written++;
    }
    tally.Count(first8, packet.length);
    ring.Return(done, found[done].id, packet.length + hdr_bytes);
  }
  if (done > 0) q.burst.repeated = written == 0;
  // Nobody writes the packets' lines, so only those of the descriptors still bounce between the cores.
  if (q.burst.hand_back.Pays(done)) GiveBackDescriptors(q, q.burst.hand_back, found, done, &HeldBuffer::id);
  ring.Advance(done);
  ring.Publish();
  return done;
}

template <class Ring>
int32_t RepeatOn(DeviceQueue& q, const Packet& packet, uint32_t n) {
  q.burst.hand_back.Look(q.doorstep(), q.counters.good_packets);
  Ring ring(q);
  for (uint32_t total = 0;;) {
    const uint32_t wanted = std::min(n - total, kBatch);
    const uint32_t done = wanted > 0 ? SendBatch(q, ring, packet, wanted) : 0;
    total += done;
    if (done < wanted || wanted == 0)
      return total == 0 && wanted > 0 && ring.Has(0) ? -1 : static_cast<int32_t>(total);
  }
}

}  // namespace

int32_t Repeat(DeviceQueue& q, MbufPool& pool, uint32_t mbuf, uint32_t length, uint32_t n) {
  if (!SegmentIsSane(pool, mbuf) || pool.next()[mbuf] != kNoNext) return -1;
  const uint32_t head_bytes = pool.data_len()[mbuf];
  if (head_bytes == 0 || head_bytes > length || length > kMaxPacketBytes) return -1;
  Burst<DeviceQueue> burst(q);
  if (!burst) return 0;
  const Packet packet = {pool.buffer(mbuf) + pool.data_off()[mbuf], head_bytes, length};
  const int32_t sent = q.sender ? SectionRepeat(q, packet.head, head_bytes, length, n)
                                : OnRing(q, [&]<class Ring>() { return RepeatOn<Ring>(q, packet, n); });
  burst.Count(sent > 0 ? static_cast<uint32_t>(sent) : 0);
  return sent;
}

}  // namespace vpci
