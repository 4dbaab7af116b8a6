// SPDX-License-Identifier: BSD-3-Clause
// The bare bursts that work both rings at once.
#include <algorithm>

#include "burst/bare_burst.h"
#include "burst/burst.h"
#include "burst/single_buffer.h"
#include "packet/copy.h"

namespace vpci {
namespace {

struct Move {
  const uint8_t* header;  // of the packet; nullptr: nothing moves
  uint8_t* buffer;        // its header
  uint32_t len;           // of the packet behind the header
  uint16_t id, buffer_id;
};

class ReturnStep {
 public:
  ReturnStep(DeviceQueue&, DeviceQueue&, uint32_t length) : length_(length) {}

  template <class From, class To>
  uint32_t Run(From& from, To& to, uint32_t n) const {
    uint32_t done = 0;
    uint16_t id, buffer_id;
    for (; done < n && from.PeekId(done, &id) && to.PeekId(done, &buffer_id); done++) {
      to.Return(done, buffer_id, length_);
      from.Return(done, id, 0);
    }
    return done;
  }

 private:
  const uint32_t length_;
};

class TouchStep {
 public:
  TouchStep(DeviceQueue& rx, DeviceQueue& tx, uint32_t length)
      : rx_(rx), tx_(tx), length_(length), rx_hdr_(rx.hdr_bytes), tx_hdr_(tx.hdr_bytes) {}

  template <class From, class To>
  uint32_t Run(From& from, To& to, uint32_t n) const {
    Move moves[kBatch];
    SingleBuffers packets(rx_), buffers(tx_);
    uint32_t count = 0;
    bool all = true;
    for (Entry packet, buffer; count < n && from.Peek(count, &packet) && to.Peek(count, &buffer); count++) {
      moves[count] = Find(packets, buffers, packet, buffer);
      all = all && moves[count].header;
    }
    for (uint32_t i = 0; i < count; i++) {
      const Move& m = moves[i];
      if (m.header) {
        WritePlainHeader(m.buffer, tx_hdr_);
        CopyPacket(m.buffer + tx_hdr_, m.header + rx_hdr_, m.len);
      }
      to.Return(i, m.buffer_id, m.header ? m.len + tx_hdr_ : length_);
      from.Return(i, m.id, 0);
    }
    if (all) GiveBackRead(rx_, from, moves, count);
    return count;
  }

 private:
  Move Find(SingleBuffers& packets, SingleBuffers& buffers, const Entry& packet, const Entry& buffer) const {
    const uint8_t* header = packets.Readable(packet, kMaxPacketBytes);
    const uint32_t len = packet.len - rx_hdr_;
    uint8_t* to = header ? buffers.Writable(buffer, len) : nullptr;
    if (__builtin_expect(!to, 0)) return {nullptr, nullptr, 0, packet.id, buffer.id};
    PrefetchRead(header + rx_hdr_);
    PrefetchRead(to);
    PrefetchWrite(to + tx_hdr_);
    return {header, to, len, packet.id, buffer.id};
  }

  DeviceQueue &rx_, &tx_;
  const uint32_t length_, rx_hdr_, tx_hdr_;
};

template <class Step, class From, class To>
uint32_t AcrossOn(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, const Step& step) {
  From from(rx);
  To to(tx);
  for (uint32_t total = 0;;) {
    const uint32_t want = std::min(n - total, kBatch);
    const uint32_t done = step.Run(from, to, want);
    to.Advance(done);
    from.Advance(done);
    // The receiver sees the packets before the sender gets its buffers back.
    to.Publish();
    from.Publish();
    total += done;
    if (done < want || total == n) return total;
  }
}

template <class Step>
uint32_t Across(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, uint32_t length) {
  Burst<DeviceQueue> receive(rx);
  if (!receive || rx.is_section()) return 0;
  Burst<DeviceQueue> send(tx);
  if (!send || tx.is_section()) return 0;
  rx.burst.hand_back.Look(rx.doorstep(), rx.counters.good_packets);
  const Step step(rx, tx, length);
  const uint32_t done = OnReadRing(rx, [&]<class From>() {
    return OnRing(tx, [&]<class To>() { return AcrossOn<Step, From, To>(rx, tx, n, step); });
  });
  receive.Count(done);
  send.Count(done);
  return done;
}

}  // namespace

uint32_t ReturnAcross(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, uint32_t length) {
  return Across<ReturnStep>(rx, tx, n, length);
}

uint32_t TouchAcross(DeviceQueue& rx, DeviceQueue& tx, uint32_t n, uint32_t length) {
  return Across<TouchStep>(rx, tx, n, length);
}

}  // namespace vpci
