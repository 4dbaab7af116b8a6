// SPDX-License-Identifier: BSD-3-Clause
// The queues of a tap, with a datagram socket in place of the kernel: it can send what no kernel would.
#include <sys/socket.h>
#include <unistd.h>

#include "burst/tap_queue.h"
#include "check.h"
#include "gso_frame.h"
#include "mock_peer.h"

using namespace mock;

namespace {

struct Tap {
  TapQueue rx, tx;
  int kernel;

  Tap() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
    kernel = fds[0];
    rx.Start(fds[1]);
    tx.Start(fds[1]);
  }
  ~Tap() {
    close(kernel);
    close(rx.fd);
  }

  void Say(const VirtioNetHdr& hdr, const std::string& frame) {
    std::string message(reinterpret_cast<const char*>(&hdr), sizeof hdr);
    message += frame;
    if (send(kernel, message.data(), message.size(), 0) != static_cast<ssize_t>(message.size())) std::abort();
  }
  // The frame that arrived, header included; empty if none did.
  std::string Heard() {
    std::string message(70000, '\0');
    const ssize_t n = recv(kernel, message.data(), message.size(), 0);
    message.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return message;
  }
};

VirtioNetHdr Tso4(uint16_t gso_size = 1448) {
  return {VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 66, gso_size, 34, 16, 0};
}

// A packet of the application in segments of the given sizes, at most `room` bytes each.
uint32_t Packet(Pool& pool, const std::string& frame, const std::vector<uint32_t>& cuts) {
  uint32_t ids[64];
  const uint32_t n = static_cast<uint32_t>(cuts.size());
  if (!pool->Alloc(ids, n)) std::abort();
  size_t at = 0;
  for (uint32_t i = 0; i < n; i++) {
    std::memcpy(pool->buffer(ids[i]) + pool->data_off()[ids[i]], frame.data() + at, cuts[i]);
    pool->data_len()[ids[i]] = static_cast<uint16_t>(cuts[i]);
    pool->next()[ids[i]] = i + 1 < n ? ids[i + 1] : kNoNext;
    at += cuts[i];
  }
  pool->pkt_len()[ids[0]] = static_cast<uint32_t>(frame.size());
  pool->ol_flags()[ids[0]] = 0;
  return ids[0];
}

}  // namespace

TEST("tap rx: frames of all sizes come whole, in as many mbufs as they need") {
  Tap tap;
  Pool pool(512, 256);
  for (uint32_t size : {14u, 60u, 255u, 256u, 257u, 512u, 1514u, 9014u, 65549u, 65557u - 8}) {
    const std::string frame = Bytes(size, size);
    tap.Say({}, frame);
    uint32_t id;
    CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 1);
    CHECK(pool.Frame(id) == frame);
    CHECK(pool->pkt_len()[id] == size);
    CHECK(pool->ol_flags()[id] == 0);
    pool->Free(&id, 1);
    CHECK(pool->available() == 512);
  }
  CHECK(tap.rx.counters.good_packets == 10);
}

TEST("tap rx: a burst of small and large frames in order, and nothing more") {
  Tap tap;
  Pool pool(512, 1024);
  for (uint32_t i = 0; i < 6; i++) tap.Say({}, Bytes(i % 2 ? 3000 : 64, i));
  uint32_t ids[8];
  CHECK(TapRxBurst(tap.rx, *pool, ids, 8) == 6);
  for (uint32_t i = 0; i < 6; i++) CHECK(pool.Frame(ids[i]) == Bytes(i % 2 ? 3000 : 64, i));
  CHECK(TapRxBurst(tap.rx, *pool, ids + 6, 2) == 0);
  pool->Free(ids, 6);
  CHECK(pool->available() == 512);
}

TEST("tap rx: the header becomes metadata") {
  Tap tap;
  Pool pool;
  tap.Say(Tso4(), Bytes(4000));
  tap.Say({VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0, 0, 34, 6, 0}, Bytes(100));
  tap.Say({VIRTIO_NET_HDR_F_DATA_VALID, 0, 0, 0, 0, 0, 0}, Bytes(100));
  uint32_t ids[3];
  CHECK(TapRxBurst(tap.rx, *pool, ids, 3) == 3);
  CHECK(pool->ol_flags()[ids[0]] == (MBUF_F_NEEDS_CSUM | MBUF_F_TSO4));
  CHECK(pool->gso_size()[ids[0]] == 1448 && pool->csum_start()[ids[0]] == 34);
  CHECK(pool->csum_offset()[ids[0]] == 16 && pool->hdr_len()[ids[0]] == 66);
  CHECK(pool->ol_flags()[ids[1]] == MBUF_F_NEEDS_CSUM);
  CHECK(pool->ol_flags()[ids[2]] == MBUF_F_CSUM_VALID);
}

TEST("tap rx: what makes no sense is dropped and counted, and its mbufs serve the next frame") {
  Tap tap;
  Pool pool(64, 2048);
  VirtioNetHdr outside = {VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0, 0, 90, 16, 0};
  VirtioNetHdr unknown = Tso4();
  unknown.gso_type = 77;
  tap.Say(outside, Bytes(100));
  tap.Say(Tso4(0), Bytes(4000));
  tap.Say(unknown, Bytes(4000));
  tap.Say({}, "");                                // a header and nothing behind it
  CHECK(send(tap.kernel, "short", 5, 0) == 5);    // not even a header
  tap.Say({}, Bytes((65557 / 2048 + 1) * 2048));  // fills the room: may have been truncated
  tap.Say({}, Bytes(64, 9));
  uint32_t ids[8];
  CHECK(TapRxBurst(tap.rx, *pool, ids, 8) == 1);
  CHECK(pool.Frame(ids[0]) == Bytes(64, 9));
  CHECK(tap.rx.counters.errors == 6);
  CHECK(tap.rx.counters.undersize_errors == 2 && tap.rx.counters.oversize_errors == 1);
  pool->Free(ids, 1);
  CHECK(pool->available() == 64);
}

TEST("regression: tap rx: a pool that is smaller than the largest frame gives what it can hold") {
  Tap tap;
  Pool pool(4, 2048);
  tap.Say({}, Bytes(64, 1));
  tap.Say({}, Bytes(9000));
  tap.Say({}, Bytes(64, 2));
  uint32_t id;
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == Bytes(64, 1));
  pool->Free(&id, 1);
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 0);
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == Bytes(64, 2));
  CHECK(tap.rx.counters.oversize_errors == 1 && tap.rx.counters.mbuf_alloc_failed == 0);
}

TEST("tap rx: with too few mbufs the frame waits in the kernel") {
  Tap tap;
  Pool pool(40, 2048);
  uint32_t held[16];
  pool->Alloc(held, 16);
  tap.Say({}, Bytes(64));
  uint32_t id;
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 0);
  CHECK(tap.rx.counters.mbuf_alloc_failed == 1);
  CHECK(pool->available() == 24);
  pool->Free(held, 16);
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 1);
  CHECK(pool.Frame(id) == Bytes(64));
}

TEST("tap tx: segments go out as one frame behind a header") {
  Tap tap;
  Pool pool;
  const std::string frame = Bytes(3000);
  uint32_t id = Packet(pool, frame, {1, 1500, 0, 1499});
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
  CHECK(tap.Heard() == std::string(12, '\0') + frame);
  CHECK(pool->available() == 64);
  CHECK(tap.tx.counters.good_packets == 1 && tap.tx.counters.good_bytes == 3000);
}

TEST("tap tx: metadata becomes the header, and comes back the same") {
  Tap tap;
  Pool pool;
  tap.Say(Tso4(), Bytes(5000));
  uint32_t id;
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 1);
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
  const VirtioNetHdr hdr = Tso4();
  CHECK(tap.Heard() == std::string(reinterpret_cast<const char*>(&hdr), sizeof hdr) + Bytes(5000));
}

TEST("tap tx: a packet that is not sane is dropped and counted, the others go") {
  Tap tap;
  Pool pool;
  uint32_t ids[6];
  for (uint32_t i = 0; i < 6; i++) ids[i] = Packet(pool, Bytes(64, i), {64});
  pool->data_len()[ids[0]] = 60000;
  pool->next()[ids[1]] = 1000000;
  pool->data_len()[ids[2]] = 0;
  pool->ol_flags()[ids[3]] = MBUF_F_NEEDS_CSUM;
  pool->csum_start()[ids[3]] = 63;
  pool->csum_offset()[ids[3]] = 0;
  pool->ol_flags()[ids[4]] = MBUF_F_TSO4 | MBUF_F_TSO6 | MBUF_F_NEEDS_CSUM;
  pool->csum_start()[ids[4]] = pool->csum_offset()[ids[4]] = 0;
  CHECK(TapTxBurst(tap.tx, *pool, ids, 6) == 6);
  CHECK(tap.Heard() == std::string(12, '\0') + Bytes(64, 5));
  CHECK(tap.Heard().empty());
  CHECK(tap.tx.counters.errors == 5 && tap.tx.counters.good_packets == 1);
}

TEST("tap tx: a chain that ends in a loop is dropped") {
  Tap tap;
  Pool pool;
  uint32_t id = Packet(pool, Bytes(128), {64, 64});
  pool->next()[pool->next()[id]] = id;
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
  CHECK(tap.tx.counters.errors == 1);
  CHECK(tap.Heard().empty());
}

TEST("tap tx: what the kernel has no room for now stays the caller's") {
  Tap tap;
  Pool pool(1024, 2048);
  uint32_t sent = 0;
  for (;;) {
    uint32_t id = Packet(pool, Bytes(2000, sent), {2000});
    if (TapTxBurst(tap.tx, *pool, &id, 1) == 0) {
      CHECK(sent > 0 && tap.tx.counters.errors == 0);
      CHECK(pool->available() == 1023);
      tap.Heard();
      CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
      break;
    }
    sent++;
  }
  CHECK(pool->available() == 1024);
}

TEST("tap: nothing moves through a queue that was stopped, or whose other end is gone") {
  Tap tap;
  Pool pool;
  tap.Say({}, Bytes(64));
  tap.rx.Stop();
  tap.tx.Stop();
  uint32_t id = 0;
  CHECK(TapRxBurst(tap.rx, *pool, &id, 1) == 0);
  id = Packet(pool, Bytes(64), {64});
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 0);
  shutdown(tap.kernel, SHUT_RDWR);
  close(tap.kernel);
  tap.tx.Start(tap.rx.fd);
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
  CHECK(tap.tx.counters.errors == 1);
  CHECK(pool->available() == 64);
  tap.kernel = dup(tap.rx.fd);
}

TEST("tap: datagrams that the kernel does not cut are cut here, in order, also when it takes only some") {
  for (const bool ipv6 : {false, true}) {
    const GsoFrame g{.tcp = false, .ipv6 = ipv6};
    const std::string payload = Bytes(5000);
    Tap tap;
    const int room = 4096;  // for a few frames
    CHECK(setsockopt(tap.tx.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
    tap.tx.Stop();
    tap.tx.Start(tap.tx.fd, false);
    Pool pool;
    uint32_t ids[2] = {Packet(pool, g.Make(payload), {20, 1000, 1, 2000, 2000 + g.header_bytes() - 21}),
                       Packet(pool, Bytes(64), {64})};
    pool->ol_flags()[ids[0]] = g.flags();
    pool->csum_start()[ids[0]] = static_cast<uint16_t>(g.l4());
    pool->csum_offset()[ids[0]] = g.csum_offset();
    pool->gso_size()[ids[0]] = 100;
    std::vector<std::string> frames;
    uint32_t taken = 0, bursts = 0;
    for (; taken < 2 && bursts < 60; bursts++) {
      taken += TapTxBurst(tap.tx, *pool, ids + taken, 2 - taken);
      for (std::string m = tap.Heard(); !m.empty(); m = tap.Heard()) {
        VirtioNetHdr hdr;
        std::memcpy(&hdr, m.data(), sizeof hdr);
        frames.push_back(m.substr(sizeof hdr));
        if (frames.size() <= 50) CHECK(hdr.flags == 1 && hdr.gso_type == 0 && hdr.csum_start == g.l4());
      }
    }
    auto want = ExpectedSegments(g, payload, 100, false);
    want.push_back(Bytes(64));
    CHECK(frames == want);
    CHECK(bursts > 1);
    CHECK(tap.tx.counters.good_packets == 51 && tap.tx.counters.errors == 0);
    CHECK(pool->available() == pool->count());
  }
}

TEST("tap: TCP is the kernel's to cut, whatever it does with datagrams") {
  Tap tap;
  tap.tx.Stop();
  tap.tx.Start(tap.tx.fd, false);
  Pool pool;
  const GsoFrame g;
  const uint32_t id = Packet(pool, g.Make(Bytes(1000)), {g.header_bytes() + 1000});
  pool->ol_flags()[id] = g.flags();
  pool->csum_start()[id] = 34;
  pool->csum_offset()[id] = 16;
  pool->gso_size()[id] = 100;
  CHECK(TapTxBurst(tap.tx, *pool, &id, 1) == 1);
  CHECK(tap.Heard().size() == sizeof(VirtioNetHdr) + g.header_bytes() + 1000);
}
