// SPDX-License-Identifier: BSD-3-Clause
// Packets that still need segmentation, towards a peer that does not accept them whole.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/relay.h"
#include "check.h"
#include "gso_frame.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }
constexpr uint64_t kChecks = Bit(VIRTIO_NET_F_GUEST_CSUM);

uint32_t MakeGso(Pool& pool, const GsoFrame& g, const std::string& payload, uint32_t gso,
                 uint32_t segment = 2048) {
  const uint32_t id = pool.Make(g.Make(payload), segment);
  pool->ol_flags()[id] = g.flags();
  pool->csum_start()[id] = static_cast<uint16_t>(g.l4());
  pool->csum_offset()[id] = g.csum_offset();
  pool->gso_size()[id] = static_cast<uint16_t>(gso);
  return id;
}

// What the peer has received since `from`, one string per frame.
struct Receiver {
  explicit Receiver(uint64_t features, uint32_t size = 64)
      : peer(size, 4 << 20), mergeable(HasFeature(features, VIRTIO_NET_F_MRG_RXBUF)) {
    CHECK(peer.Start(QueueRole::kTx, Modern(false) | features) == StartError::kNone);
  }
  void Offer(uint32_t buffers, uint32_t bytes = 2048) {
    for (uint32_t i = 0; i < buffers; i++) peer.OfferBuffers({bytes});
  }
  // The frames; their virtio-net headers go to `headers`.
  std::vector<std::string> Take(std::vector<VirtioNetHdr>* headers = nullptr) {
    std::vector<std::string> frames;
    while (seen != peer.used()->idx) {
      // An entry that could not hold a frame came back empty.
      if (peer.used()->ring[seen % peer.size()].len == 0) {
        seen++;
        continue;
      }
      std::string all = peer.UsedBytes(seen, static_cast<uint16_t>(seen + 1));
      seen++;
      VirtioNetHdr hdr;
      std::memcpy(&hdr, all.data(), sizeof hdr);
      for (uint32_t n = 1; n < hdr.num_buffers; n++, seen++)
        all += peer.UsedBytes(seen, static_cast<uint16_t>(seen + 1));
      if (headers) headers->push_back(hdr);
      frames.push_back(all.substr(sizeof hdr));
    }
    return frames;
  }
  Peer peer;
  bool mergeable;
  uint16_t seen = 0;
};

const GsoFrame kFrames[] = {
    {},
    {.ipv6 = true},
    {.tcp = false},
    {.tcp = false, .ipv6 = true},
    {.tags = 1, .ip_options = 8, .tcp_options = 12, .tcp_flags = 0x99},
    {.ipv6 = true, .tags = 2, .ip_options = 16, .tcp_options = 40, .tcp_flags = 0xdb},
};

void DroppedAndCounted(Pool& pool, uint32_t id) {
  Receiver r(0);
  r.Offer(40);
  CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
  CHECK(r.Take().empty());
  CHECK(r.peer.queue.counters.errors == 1 && r.peer.queue.counters.good_packets == 0);
  CHECK(!r.peer.broken() && pool->available() == pool->count());
}

}  // namespace

TEST("cut: every kind of segment is what the sender's own stack would have sent, whatever the mbufs") {
  for (const GsoFrame& g : kFrames) {
    for (uint64_t features : {uint64_t{0}, kChecks, Bit(VIRTIO_NET_F_MRG_RXBUF)}) {
      for (uint32_t segment : {2048u, 61u, 14u, 1u}) {
        for (uint32_t gso : {1u, 100u, 333u, 500u, 65535u}) {
          const std::string payload = Bytes(gso == 1 ? 30 : 1000, gso);
          Receiver r(features);
          Pool pool(2048, 2048);
          r.Offer(40, r.mergeable ? 200 : 2048);
          const uint32_t id = MakeGso(pool, g, payload, gso, segment);
          CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
          const bool checks = features & kChecks;
          std::vector<VirtioNetHdr> headers;
          CHECK(r.Take(&headers) == ExpectedSegments(g, payload, gso, !checks));
          for (const VirtioNetHdr& h : headers) {
            CHECK(h.gso_type == VIRTIO_NET_HDR_GSO_NONE && h.flags == (checks ? 1 : 0));
            if (checks) CHECK(h.csum_start == g.l4() && h.csum_offset == g.csum_offset());
          }
          CHECK(r.peer.queue.counters.good_packets == headers.size() && r.peer.queue.counters.errors == 0);
          CHECK(pool->available() == pool->count());
        }
      }
    }
  }
}

TEST("cut: a segment without payload is a packet too") {
  Receiver r(0);
  Pool pool;
  r.Offer(4);
  const uint32_t id = MakeGso(pool, {}, "", 100);
  CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
  CHECK(r.Take() == ExpectedSegments({}, "", 100, true));
}

TEST("cut: what finds no room is left to the application, in order, and comes whole in the end") {
  for (const GsoFrame& g : kFrames) {
    for (uint32_t segment : {2048u, 60u, 7u}) {
      for (uint32_t step : {1u, 3u, 7u}) {
        Receiver r(0);
        Pool pool(1024);
        const std::string payload = Bytes(1900, segment), next = Bytes(64, 9);
        uint32_t ids[2] = {MakeGso(pool, g, payload, 100, segment), pool.Make(next)};
        std::vector<std::string> got;
        uint32_t taken = TxBurst(r.peer.queue, *pool, ids, 2);
        CHECK(taken == 0);
        for (uint32_t round = 0; round < 40 && taken < 2; round++) {
          r.Offer(step);
          const uint64_t before = r.peer.queue.counters.good_packets;
          taken += TxBurst(r.peer.queue, *pool, ids + taken, 2 - taken);
          for (std::string& frame : r.Take()) got.push_back(std::move(frame));
          CHECK(r.peer.queue.counters.good_packets == before + std::min<size_t>(step, 20 - before));
          if (taken == 0) CHECK(pool->pkt_len()[ids[0]] == pool.Frame(ids[0]).size());
        }
        auto want = ExpectedSegments(g, payload, 100, true);
        want.push_back(next);
        CHECK(taken == 2 && got == want);
        CHECK(r.peer.queue.counters.errors == 0 && pool->available() == pool->count());
      }
    }
  }
}

TEST("cut: an unusable buffer amid the segments is passed: none is lost, doubled or overtaken") {
  for (const GsoFrame& g : kFrames) {
    for (uint32_t segment : {2048u, 60u, 7u}) {
      for (uint32_t before : {0u, 1u, 3u, 9u, 10u}) {
        // With one packet the burst ends at the buffer; with two it continues with the rest.
        for (uint32_t n : {1u, 2u}) {
          Receiver r(0);
          Pool pool(1024);
          const std::string payload = Bytes(1000, segment), next = Bytes(64, 9);
          uint32_t ids[2] = {MakeGso(pool, g, payload, 100, segment), pool.Make(next)};
          r.Offer(before);
          r.Offer(1, 4);
          r.Offer(20);
          uint32_t taken = TxBurst(r.peer.queue, *pool, ids, n);
          CHECK(taken == (n == 2 ? 2u : before == 10 ? 1u : 0u));
          if (taken < 2) taken += TxBurst(r.peer.queue, *pool, ids + taken, 2 - taken);
          if (taken < 2) taken += TxBurst(r.peer.queue, *pool, ids + taken, 2 - taken);
          auto want = ExpectedSegments(g, payload, 100, true);
          want.push_back(next);
          CHECK(taken == 2 && r.Take() == want);
          CHECK(r.peer.queue.counters.invalid_buffers == 1 && r.peer.queue.counters.errors == 0);
          CHECK(r.peer.queue.counters.good_packets == want.size() && pool->available() == pool->count());
        }
      }
    }
  }
}

TEST("cut: the rest that is left is a packet of its own, for any other peer") {
  Receiver r(0);
  Pool pool(256);
  const std::string payload = Bytes(1000);
  const uint32_t id = MakeGso(pool, {.tcp_flags = 0x99}, payload, 100, 77);
  r.Offer(3);
  CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 0);
  const GsoFrame rest = {.tcp_flags = 0x19, .sequence = 0xffffff00 + 300, .ip_id = 1};
  CHECK(pool.Frame(id) == rest.Make(payload.substr(300)));
  Receiver whole(kChecks | Bit(VIRTIO_NET_F_GUEST_TSO4));
  whole.Offer(1);
  CHECK(TxBurst(whole.peer.queue, *pool, &id, 1) == 1);
  std::vector<VirtioNetHdr> headers;
  CHECK(whole.Take(&headers).size() == 1 && headers[0].gso_type == VIRTIO_NET_HDR_GSO_TCPV4);
}

TEST("cut: from one peer to another that takes less, past the relay, which leaves it to the bursts") {
  Peer from;
  const uint64_t sends = Bit(VIRTIO_NET_F_CSUM) | Bit(VIRTIO_NET_F_HOST_TSO4);
  CHECK(from.Start(QueueRole::kRx, Modern() | sends) == StartError::kNone);
  const GsoFrame g;
  const std::string payload = Bytes(3000), frame = g.Make(payload);
  const uint16_t head = from.OfferPacket(frame, {static_cast<uint32_t>(12 + frame.size())});
  const VirtioNetHdr hdr = {VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 54, 1000, 34, 16, 0};
  std::memcpy(from.at(from.desc()[head].addr), &hdr, sizeof hdr);
  Receiver to(0);
  to.Offer(4);
  CHECK(RelayBurst(from.queue, to.peer.queue, 32) == -1);
  Pool pool;
  uint32_t ids[32];
  CHECK(RxBurst(from.queue, *pool, ids, 32) == 1);
  CHECK(TxBurst(to.peer.queue, *pool, ids, 1) == 1);
  CHECK(to.Take() == ExpectedSegments(g, payload, 1000, true));
  CHECK(pool->available() == pool->count());
}

TEST("cut: segments that the peer's buffers never hold drop the packet, once") {
  Receiver r(0);
  Pool pool;
  r.Offer(8, 300);
  uint32_t ids[2] = {MakeGso(pool, {}, Bytes(1000), 400), pool.Make(Bytes(64))};
  CHECK(TxBurst(r.peer.queue, *pool, ids, 2) == 2);
  CHECK(r.Take() == std::vector<std::string>{Bytes(64)});
  CHECK(r.peer.queue.counters.errors == 1 && r.peer.queue.counters.good_packets == 1);
  CHECK(pool->available() == pool->count());
}

TEST("cut: only what the peer does not take whole") {
  const uint64_t all = kChecks | Bit(VIRTIO_NET_F_GUEST_TSO4) | Bit(VIRTIO_NET_F_GUEST_TSO6);
  for (const auto& [features, flags, frames] : std::vector<std::tuple<uint64_t, uint16_t, size_t>>{
           {all, MBUF_F_TSO4, 1},
           {all, MBUF_F_TSO4 | MBUF_F_ECN, 10},
           {all | Bit(VIRTIO_NET_F_GUEST_ECN), MBUF_F_TSO4 | MBUF_F_ECN, 1},
           {all & ~kChecks, MBUF_F_TSO4, 10},
           {kChecks, MBUF_F_TSO4, 10}}) {
    Receiver r(features);
    Pool pool;
    r.Offer(12);
    const uint32_t id = MakeGso(pool, {}, Bytes(1000), 100);
    pool->ol_flags()[id] = static_cast<uint16_t>(flags | MBUF_F_NEEDS_CSUM);
    CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
    CHECK(r.Take().size() == frames);
  }
}

TEST("H23 cut: a packet that is not what it says it is, is dropped and counted") {
  using Spoil = void (*)(Pool&, uint32_t, std::string&);
  const Spoil kSpoils[] = {
      [](Pool& p, uint32_t id, std::string&) { p->gso_size()[id] = 0; },
      [](Pool& p, uint32_t id, std::string&) { p->csum_offset()[id] = 6; },
      [](Pool& p, uint32_t id, std::string&) { p->csum_start()[id] = 14; },
      [](Pool& p, uint32_t id, std::string&) { p->csum_start()[id] = 35; },
      [](Pool& p, uint32_t id, std::string&) { p->csum_start()[id] = 1000; },
      [](Pool& p, uint32_t id, std::string&) { p->csum_start()[id] = 0; },
      [](Pool& p, uint32_t id, std::string&) { p->ol_flags()[id] = MBUF_F_NEEDS_CSUM | MBUF_F_TSO6; },
      [](Pool& p, uint32_t id, std::string&) { p->ol_flags()[id] = MBUF_F_NEEDS_CSUM | MBUF_F_USO; },
      [](Pool& p, uint32_t id, std::string&) { p->ol_flags()[id] = MBUF_F_TSO4; },
      [](Pool&, uint32_t, std::string& s) { Put16(s, 12, 0x86dd); },
      [](Pool&, uint32_t, std::string& s) { Put16(s, 12, 0x8100); },
      [](Pool&, uint32_t, std::string& s) { Put16(s, 12, 0x0806); },
      [](Pool&, uint32_t, std::string& s) { s[14] = 0x46; },
      [](Pool&, uint32_t, std::string& s) { s[14] = 0x44; },
      [](Pool&, uint32_t, std::string& s) { s[14] = 0x65; },
      [](Pool&, uint32_t, std::string& s) { s[20] = 0x20; },
      [](Pool&, uint32_t, std::string& s) { s[21] = 1; },
      [](Pool&, uint32_t, std::string& s) { s[23] = 17; },
      [](Pool&, uint32_t, std::string& s) { s[34 + 12] = 0x40; },
      [](Pool&, uint32_t, std::string& s) { s.resize(53); },
      [](Pool&, uint32_t, std::string& s) { (s[34 + 12] = '\xf0', s.resize(60)); },
  };
  for (const Spoil spoil : kSpoils) {
    for (uint32_t segment : {2048u, 5u}) {
      Pool pool(512);
      const uint32_t id = MakeGso(pool, {}, Bytes(1000), 100, segment);
      std::string frame = pool.Frame(id);
      spoil(pool, id, frame);
      const uint32_t again = pool.Make(frame, segment);
      pool->ol_flags()[again] = pool->ol_flags()[id];
      pool->csum_start()[again] = pool->csum_start()[id];
      pool->csum_offset()[again] = pool->csum_offset()[id];
      pool->gso_size()[again] = pool->gso_size()[id];
      pool->Free(&id, 1);
      DroppedAndCounted(pool, again);
    }
  }
}

TEST("H23 cut: extension headers of IPv6 that lead nowhere, or to a fragment, drop the packet") {
  const GsoFrame g{.ipv6 = true, .ip_options = 8};
  for (const auto& [at, value] : std::vector<std::pair<uint32_t, uint8_t>>{
           {g.l3() + 6, 44}, {g.l3() + 6, 6}, {g.l3() + 40, 17}, {g.l3() + 41, 1}, {g.l3() + 41, 255}}) {
    Pool pool;
    const uint32_t id = MakeGso(pool, g, Bytes(1000), 100);
    pool->buffer(id)[pool->data_off()[id] + at] = value;
    DroppedAndCounted(pool, id);
  }
}

TEST(
    "H23 cut: a packet that would make more segments than any TCP does is dropped, one that makes as many is "
    "not") {
  for (const auto& [bytes, dropped] : std::vector<std::pair<uint32_t, bool>>{{1024, false}, {1025, true}}) {
    Pool pool;
    const uint32_t id = MakeGso(pool, {}, Bytes(bytes), 1);
    if (dropped) {
      DroppedAndCounted(pool, id);
      continue;
    }
    Receiver r(0, 2048);
    r.Offer(1024, 80);
    CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
    CHECK(r.Take().size() == 1024);
  }
}

TEST("H23 cut: a single datagram longer than IP can say is dropped") {
  Pool pool(64);
  DroppedAndCounted(pool, MakeGso(pool, {}, Bytes(65550 - 54), 65535));
}

TEST("cut: the longest packet goes, in segments of any size") {
  for (uint32_t gso : {100u, 1448u, 9000u, 32768u}) {
    Receiver r(Bit(VIRTIO_NET_F_MRG_RXBUF), 1024);
    Pool pool(64);
    r.Offer(1024, 1600);
    const std::string payload = Bytes(65495);
    const uint32_t id = MakeGso(pool, {}, payload, gso);
    CHECK(TxBurst(r.peer.queue, *pool, &id, 1) == 1);
    CHECK(r.Take() == ExpectedSegments({}, payload, gso, true));
  }
}
