// SPDX-License-Identifier: BSD-3-Clause
#include "burst/relay.h"

#include <algorithm>

#include "burst/burst.h"
#include "burst/relayed_packet.h"
#include "burst/section_tx.h"
#include "burst/single_buffer.h"
#include "packet/tx_packet.h"

namespace vpci {
namespace {

// A receiver that posts buffers as fast as they are filled is not followed too closely: its core is still
// writing the lines that ours would read. So a full batch waits until there are buffers for three, but only
// for a bounded number of calls: a receiver may have no more.
constexpr uint32_t kRoomForMany = 3 * kBatch;
constexpr uint8_t kPatience = 32;

struct Move {
  const uint8_t* src;  // header
  uint8_t* dst;        // header
  uint32_t len;        // of the packet, without the header
  uint16_t rx_id, tx_id;
};

enum class Found { kMove, kNothing, kOddShape };

// The packet and the buffer `ahead` places on.
template <class RxRing, class TxRing>
inline Found FindMove(SingleBuffers& packets, SingleBuffers& buffers, RxRing& from, TxRing& to,
                      uint32_t ahead, Move* out) {
  Entry packet, buffer;
  if (!from.Peek(ahead, &packet)) return from.Has(ahead) ? Found::kOddShape : Found::kNothing;
  if (!to.Peek(ahead, &buffer)) return to.Has(ahead) ? Found::kOddShape : Found::kNothing;
  const uint8_t* src = packets.Readable(packet, kMaxPacketBytes);
  if (__builtin_expect(!src, 0)) return Found::kOddShape;
  const uint32_t len = packet.len - packets.hdr_bytes();
  uint8_t* dst = buffers.Writable(buffer, len);
  if (__builtin_expect(!dst, 0)) return Found::kOddShape;
  *out = {src, dst, len, packet.id, buffer.id};
  return Found::kMove;
}

// Prefetches the lines that a move touches. Packet headers are read only if they may request an offload.
inline void PrefetchMove(const Move& m, uint32_t rx_hdr_bytes, uint32_t tx_hdr_bytes, bool offload) {
  if (offload) PrefetchRead(m.src);
  PrefetchRead(m.src + rx_hdr_bytes);
  PrefetchRead(m.src + rx_hdr_bytes + m.len - 1);
  PrefetchRead(m.dst);
  PrefetchWrite(m.dst + tx_hdr_bytes);
  PrefetchWrite(m.dst + tx_hdr_bytes + m.len - 1);
}

// Descriptors are handed back only when a ring has run dry: it does not help a peer that is ahead of us, and
// costs it a little.
template <class RxRing, class TxRing>
inline void GiveBackMoved(DeviceQueue& rx, DeviceQueue& tx, RxRing& from, TxRing& to, const Move* moves,
                          uint32_t n) {
  if (!rx.burst.hand_back.Pays(n)) return;
  const HandBack hand_back = rx.burst.hand_back;
  for (uint32_t i = 0; i < n; i++) hand_back.Packet(moves[i].src + rx.hdr_bytes, moves[i].len);
  if (from.Has(n) && to.Has(n)) return;
  GiveBackDescriptors(rx, hand_back, moves, n, &Move::rx_id);
  GiveBackDescriptors(tx, hand_back, moves, n, &Move::tx_id);
}

// Moves a batch; `*odd` is set if the next packet needs a burst into mbufs.
template <class RxRing, class TxRing>
inline uint32_t MoveBatch(DeviceQueue& rx, DeviceQueue& tx, RxRing& from, TxRing& to, uint32_t n,
                          const Addresses* addresses, bool* odd) {
  Move moves[kBatch];
  SingleBuffers packets(rx), buffers(tx);
  const uint32_t rx_hdr_bytes = rx.hdr_bytes, tx_hdr_bytes = tx.hdr_bytes;
  const bool offload = (rx.variant & kVariantOffload) != 0;
  uint32_t count = 0;
  for (; count < n; count++) {
    const Found found = FindMove(packets, buffers, from, to, count, &moves[count]);
    *odd = found == Found::kOddShape;
    if (found != Found::kMove) break;
    PrefetchMove(moves[count], rx_hdr_bytes, tx_hdr_bytes, offload);
  }
  FrameTally received(rx.counters), sent(tx.counters);
  uint32_t done = 0;
  for (; done < count; done++) {
    const Move& m = moves[done];
    if (offload && __builtin_expect(!AsksForNothing(CopyHeader(m.src)), 0)) {
      *odd = true;
      break;
    }
    WritePlainHeader(m.dst, tx_hdr_bytes);
    RelayPacket(m.dst + tx_hdr_bytes, m.src + rx_hdr_bytes, m.len, addresses, received, sent);
    to.Return(done, m.tx_id, m.len + tx_hdr_bytes);
    from.Return(done, m.rx_id, 0);
  }
  GiveBackMoved(rx, tx, from, to, moves, done);
  to.Advance(done);
  from.Advance(done);
  return done;
}

template <class RxRing, class TxRing>
inline bool ShouldWait(DeviceQueue& rx, DeviceQueue& tx, RxRing& from, TxRing& to, uint32_t n) {
  if (n < kBatch || tx.ring_size < 2 * kRoomForMany || to.Has(kRoomForMany - 1)) return false;
  return from.Has(kBatch - 1) && ++rx.burst.waited < kPatience;
}

template <class RxRing, class TxRing>
__attribute__((noinline)) int32_t RelayOn(DeviceQueue& rx, DeviceQueue& tx, uint32_t n,
                                          const Addresses* addresses) {
  rx.burst.hand_back.Look(rx.doorstep(), rx.counters.good_packets);
  RxRing from(rx);
  TxRing to(tx);
  uint32_t total = 0;
  bool odd = false;
  if (ShouldWait(rx, tx, from, to, n)) return 0;
  rx.burst.waited = 0;
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

int32_t RelayBurst(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Addresses* addresses) {
  Burst<DeviceQueue> receive(rx);
  if (!receive) return 0;
  Burst<DeviceQueue> send(tx);
  if (!send) return -1;
  // Pending announcements go through RxBurst.
  const bool announce = rx.announce.load(std::memory_order_relaxed) != 0;
  const auto relay = [&]<class RxRing>() {
    return OnRing(tx, [&]<class TxRing>() { return RelayOn<RxRing, TxRing>(rx, tx, n, addresses); });
  };
  const int32_t moved = announce    ? -1
                        : tx.sender ? RelayToSection(rx, tx, n, addresses)
                                    : OnReadRing(rx, relay);
  const uint32_t packets = moved > 0 ? static_cast<uint32_t>(moved) : 0;
  const bool waits = moved == 0 && rx.burst.waited != 0;
  if (!waits)
    for (auto* burst : {&receive, &send}) burst->Count(packets);
  return moved;
}

}  // namespace vpci
