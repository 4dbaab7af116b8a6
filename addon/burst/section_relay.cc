// SPDX-License-Identifier: BSD-3-Clause
// From the peer's packets, of any kind of ring, into a section that we send by: one copy.
#include <algorithm>

#include "burst/burst.h"
#include "burst/relayed_packet.h"
#include "burst/section_tx.h"
#include "burst/single_buffer.h"
#include "ring/section_ring.h"

namespace vpci {
namespace {

struct Move {
  const uint8_t* header;
  uint8_t* to;
  uint32_t len;  // of the packet, without the header
  uint16_t id;
};

// Finds up to `n` packets, and room for them; `*odd` is set if the next packet needs a burst into mbufs.
template <class RxRing>
inline uint32_t FindMoves(DeviceQueue& rx, const RxRing& from, SectionRing& to, uint32_t n, Move* moves,
                          bool* odd) {
  SingleBuffers packets(rx);
  const uint32_t rx_hdr = packets.hdr_bytes(), tx_hdr = to.hdr_bytes(), most = to.max_frame();
  uint32_t count = 0;
  for (n = std::min(n, to.free()); count < n; count++) {
    Entry e;
    const bool there = from.Peek(count, &e);
    const uint8_t* header = there ? packets.Readable(e, most) : nullptr;
    if (__builtin_expect(!header, 0)) {
      *odd = there || from.Has(count);
      break;
    }
    const uint32_t len = e.len - rx_hdr;
    uint8_t* const room = to.Put(tx_hdr + len);
    if (__builtin_expect(!room, 0)) break;
    PrefetchRead(header);
    PrefetchRead(header + rx_hdr + len - 1);
    PrefetchWrite(room);
    PrefetchWrite(room + tx_hdr + len - 1);
    moves[count] = {header, room, len, e.id};
  }
  return count;
}

template <class RxRing>
inline uint32_t MoveBatch(DeviceQueue& rx, DeviceQueue& tx, RxRing& from, SectionRing& to, uint32_t n,
                          const Addresses* addresses, bool* odd) {
  Move moves[kBatch];
  const uint32_t count = FindMoves(rx, from, to, n, moves, odd);
  const uint32_t rx_hdr = rx.hdr_bytes, tx_hdr = tx.hdr_bytes;
  const bool offload = (rx.variant & kVariantOffload) != 0;
  FrameTally received(rx.counters), sent(tx.counters);
  uint32_t done = 0;
  for (; done < count; done++) {
    const Move& m = moves[done];
    if (offload && __builtin_expect(!AsksForNothing(CopyHeader(m.header)), 0)) {
      *odd = true;
      break;
    }
    if (tx_hdr != 0) WritePlainHeader(m.to, tx_hdr);
    RelayPacket(m.to + tx_hdr, m.header + rx_hdr, m.len, addresses, received, sent);
    from.Return(done, m.id, 0);
  }
  if (done < count) to.TakeOut(count - done);
  GiveBackRead(rx, from, moves, done);
  from.Advance(done);
  return done;
}

template <class RxRing>
int32_t RelayOn(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Addresses* addresses) {
  rx.burst.hand_back.Look(rx.doorstep(), rx.counters.good_packets);
  RxRing from(rx);
  SectionRing to(tx);
  uint32_t total = 0;
  bool odd = false;
  while (total < n && !odd) {
    const uint32_t want = std::min(n - total, kBatch);
    const uint32_t done = MoveBatch(rx, tx, from, to, want, addresses, &odd);
    // The receiver sees the packets before the sender gets its buffers back.
    to.Publish();
    from.Publish();
    total += done;
    if (done < want) break;
  }
  return total == 0 && odd ? -1 : static_cast<int32_t>(total);
}

}  // namespace

int32_t RelayToSection(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Addresses* addresses) {
  rx.burst.waited = 0;
  return OnReadRing(rx, [&]<class RxRing>() { return RelayOn<RxRing>(rx, tx, n, addresses); });
}

}  // namespace vpci
