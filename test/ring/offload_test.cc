// SPDX-License-Identifier: BSD-3-Clause
// Checksum and segmentation metadata between the peer's virtio-net header and an mbuf, in both directions.
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "check.h"
#include "mock_peer.h"

using namespace mock;

namespace {

constexpr uint64_t Bit(int n) { return uint64_t{1} << n; }
constexpr uint64_t kSend = Bit(VIRTIO_NET_F_CSUM) | Bit(VIRTIO_NET_F_HOST_TSO4) |
                           Bit(VIRTIO_NET_F_HOST_TSO6) | Bit(VIRTIO_NET_F_HOST_ECN) |
                           Bit(VIRTIO_NET_F_HOST_USO);
constexpr uint64_t kTake = Bit(VIRTIO_NET_F_GUEST_CSUM) | Bit(VIRTIO_NET_F_GUEST_TSO4) |
                           Bit(VIRTIO_NET_F_GUEST_TSO6) | Bit(VIRTIO_NET_F_GUEST_ECN) |
                           Bit(VIRTIO_NET_F_GUEST_USO4) | Bit(VIRTIO_NET_F_GUEST_USO6);

struct Taken {
  uint32_t packets;
  uint64_t errors;
  bool broken;
  uint16_t flags = 0, csum_start = 0, csum_offset = 0, gso_size = 0, hdr_len = 0;
};

// The result of receiving a packet of `len` bytes with this header, split after `cut` bytes.
Taken Receive(uint64_t features, const VirtioNetHdr& hdr, uint32_t len = 200, uint32_t cut = 212) {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kRx, Modern() | features) == StartError::kNone);
  const bool whole = cut == 12 + len;
  const uint16_t head = peer.OfferPacket(
      Bytes(len), whole ? std::vector<uint32_t>{cut} : std::vector<uint32_t>{cut, 12 + len - cut});
  uint8_t bytes[12];
  std::memcpy(bytes, &hdr, 12);
  for (uint32_t i = 0; i < 12; i++) {
    const VringDesc& d = peer.desc()[i < cut ? head : head + 1];
    *(peer.at(d.addr) + (i < cut ? i : i - cut)) = bytes[i];
  }
  peer.OfferPacket(Bytes(60, 9), {72});  // the packet behind it is not affected
  uint32_t ids[8];
  const uint32_t n = RxBurst(peer.queue, *pool, ids, 8);
  Taken t{n - 1, peer.queue.counters.errors, peer.broken()};
  CHECK(pool.Frame(ids[n - 1]) == Bytes(60, 9));
  CHECK(pool->ol_flags()[ids[n - 1]] == 0);
  if (n == 2) {
    CHECK(pool.Frame(ids[0]) == Bytes(len));
    t.flags = pool->ol_flags()[ids[0]];
    t.csum_start = pool->csum_start()[ids[0]];
    t.csum_offset = pool->csum_offset()[ids[0]];
    t.gso_size = pool->gso_size()[ids[0]];
    t.hdr_len = pool->hdr_len()[ids[0]];
  }
  CHECK(peer.used()->idx == 2);
  pool->Free(ids, n);
  CHECK(pool->available() == 64);
  return t;
}

// The header that the peer finds before a packet with this metadata; empty if the packet was dropped.
std::vector<VirtioNetHdr> Send(uint64_t features, uint16_t flags, uint16_t start = 34, uint16_t offset = 16,
                               uint16_t gso = 100) {
  Peer peer;
  Pool pool;
  CHECK(peer.Start(QueueRole::kTx, Modern() | features) == StartError::kNone);
  const auto gpas = peer.OfferBuffers({2048});
  const uint32_t id = pool.Make(Bytes(200));
  pool->ol_flags()[id] = flags;
  pool->csum_start()[id] = start;
  pool->csum_offset()[id] = offset;
  pool->gso_size()[id] = gso;
  pool->hdr_len()[id] = 54;
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
  CHECK(pool->available() == 64);
  CHECK(!peer.broken());
  if (peer.used()->idx == 0) {
    CHECK(peer.queue.counters.errors == 1);
    return {};
  }
  VirtioNetHdr hdr;
  std::memcpy(&hdr, peer.at(gpas[0]), 12);
  CHECK(hdr.num_buffers == 1);
  return {hdr};
}

}  // namespace

TEST("rx: a header without wishes gives a packet without metadata, wherever it is cut") {
  for (uint32_t cut : {212u, 12u, 5u, 1u, 100u}) {
    const Taken t = Receive(kSend, {}, 200, cut);
    CHECK(t.packets == 1 && t.flags == 0);
  }
}

TEST("rx: a checksum to be filled in and segments to be cut arrive as metadata, wherever the header is cut") {
  const struct {
    uint8_t type;
    uint16_t flag;
  } kinds[] = {{VIRTIO_NET_HDR_GSO_NONE, 0},
               {VIRTIO_NET_HDR_GSO_TCPV4, MBUF_F_TSO4},
               {VIRTIO_NET_HDR_GSO_TCPV6, MBUF_F_TSO6},
               {VIRTIO_NET_HDR_GSO_UDP_L4, MBUF_F_USO},
               {VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, MBUF_F_TSO4 | MBUF_F_ECN}};
  for (const auto& kind : kinds) {
    for (uint32_t cut : {212u, 12u, 3u}) {
      const Taken t = Receive(kSend, {VIRTIO_NET_HDR_F_NEEDS_CSUM, kind.type, 54, 100, 34, 16, 0}, 200, cut);
      CHECK(t.packets == 1 && t.errors == 0);
      CHECK(t.flags == (MBUF_F_NEEDS_CSUM | kind.flag));
      CHECK(t.csum_start == 34 && t.csum_offset == 16);
      if (kind.flag) CHECK(t.gso_size == 100 && t.hdr_len == 54);
    }
  }
}

TEST("rx: a header that makes no sense costs its packet and nothing else") {
  const auto dropped = [](uint64_t features, const VirtioNetHdr& hdr) {
    for (uint32_t cut : {212u, 7u}) {
      const Taken t = Receive(features, hdr, 200, cut);
      CHECK(t.packets == 0 && t.errors == 1 && !t.broken);
    }
  };
  const uint8_t csum = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  dropped(kSend, {csum, 0, 0, 0, 199, 0, 0});
  dropped(kSend, {csum, 0, 0, 0, 34, 165, 0});
  dropped(kSend, {csum, 0, 0, 0, 0xffff, 0xffff, 0});
  dropped(kSend, {0, VIRTIO_NET_HDR_GSO_TCPV4, 54, 100, 34, 16, 0});
  dropped(kSend, {csum, VIRTIO_NET_HDR_GSO_TCPV4, 54, 0, 34, 16, 0});
  dropped(kSend, {csum, 2, 54, 100, 34, 16, 0});
  dropped(kSend, {csum, 3, 54, 100, 34, 16, 0});
  dropped(kSend, {csum, VIRTIO_NET_HDR_GSO_ECN, 54, 100, 34, 16, 0});
  dropped(kSend & ~Bit(VIRTIO_NET_F_HOST_TSO6), {csum, VIRTIO_NET_HDR_GSO_TCPV6, 54, 100, 34, 16, 0});
  dropped(kSend & ~Bit(VIRTIO_NET_F_HOST_USO), {csum, VIRTIO_NET_HDR_GSO_UDP_L4, 54, 100, 34, 16, 0});
  dropped(kSend & ~Bit(VIRTIO_NET_F_HOST_ECN),
          {csum, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, 54, 100, 34, 16, 0});
}

TEST("rx: what is not to be relied on is bounded or ignored") {
  const Taken hint =
      Receive(kSend, {VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, 0xffff, 100, 34, 16, 0});
  CHECK(hint.packets == 1 && hint.hdr_len == 200);
  CHECK(Receive(kSend, {0xfe, 0, 0, 0, 0xffff, 0xffff, 0}).flags == 0);
  // If nothing was negotiated, nothing is read.
  const Taken none = Receive(0, {0xff, 0xff, 0xffff, 0, 0xffff, 0xffff, 0});
  CHECK(none.packets == 1 && none.flags == 0);
}

TEST("tx: metadata becomes the header that the peer takes") {
  const VirtioNetHdr csum = Send(kTake, MBUF_F_NEEDS_CSUM).at(0);
  CHECK(csum.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && csum.csum_start == 34 && csum.csum_offset == 16);
  CHECK(csum.gso_type == VIRTIO_NET_HDR_GSO_NONE && csum.gso_size == 0);
  CHECK(Send(kTake, MBUF_F_CSUM_VALID).at(0).flags == VIRTIO_NET_HDR_F_DATA_VALID);
  CHECK(Send(0, MBUF_F_CSUM_VALID).at(0).flags == 0);
  const VirtioNetHdr tso = Send(kTake, MBUF_F_NEEDS_CSUM | MBUF_F_TSO4 | MBUF_F_ECN).at(0);
  CHECK(tso.gso_type == (VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN));
  CHECK(tso.gso_size == 100 && tso.hdr_len == 54);
  CHECK(Send(kTake, MBUF_F_NEEDS_CSUM | MBUF_F_TSO6).at(0).gso_type == VIRTIO_NET_HDR_GSO_TCPV6);
  CHECK(Send(kTake, MBUF_F_NEEDS_CSUM | MBUF_F_USO).at(0).gso_type == VIRTIO_NET_HDR_GSO_UDP_L4);
}

TEST("tx: a packet that the peer can't take, or whose metadata is nonsense, is dropped and counted") {
  const uint16_t csum = MBUF_F_NEEDS_CSUM;
  CHECK(Send(0, csum | MBUF_F_TSO4).empty());
  CHECK(Send(Bit(VIRTIO_NET_F_GUEST_CSUM), csum | MBUF_F_TSO4).empty());
  CHECK(Send(kTake & ~Bit(VIRTIO_NET_F_GUEST_ECN), csum | MBUF_F_TSO4 | MBUF_F_ECN).empty());
  CHECK(Send(kTake & ~Bit(VIRTIO_NET_F_GUEST_USO6), csum | MBUF_F_USO).empty());
  CHECK(Send(kTake, MBUF_F_TSO4).empty());
  CHECK(Send(kTake, csum | MBUF_F_TSO4 | MBUF_F_TSO6).empty());
  CHECK(Send(kTake, csum | MBUF_F_TSO4, 34, 16, 0).empty());
  CHECK(Send(kTake, csum, 199, 0).empty());
  CHECK(Send(0, csum, 0xffff, 0xffff).empty());
}

TEST("tx: a checksum that the peer does not take unfinished is filled in, also over segments of odd length") {
  for (uint32_t segment : {2048u, 33u, 1u, 50u}) {
    for (uint16_t offset : {6, 16, 17}) {
      std::string frame = Bytes(153, offset);
      uint64_t sum = 0;
      for (uint32_t i = 34; i < 153; i++)
        sum +=
            ((i - 34) & 1) ? static_cast<uint8_t>(frame[i]) : uint32_t{static_cast<uint8_t>(frame[i])} << 8;
      while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
      const uint16_t expected = static_cast<uint16_t>(~sum) ? static_cast<uint16_t>(~sum) : 0xffff;
      std::string want = frame;
      want[34 + offset] = static_cast<char>(expected >> 8);
      want[34 + offset + 1] = static_cast<char>(expected);
      Peer peer;
      Pool pool(256);
      peer.Start(QueueRole::kTx);
      const auto gpas = peer.OfferBuffers({2048});
      const uint32_t id = pool.Make(frame, segment);
      pool->ol_flags()[id] = MBUF_F_NEEDS_CSUM;
      pool->csum_start()[id] = 34;
      pool->csum_offset()[id] = offset;
      CHECK(TxBurst(peer.queue, *pool, &id, 1) == 1);
      CHECK(std::string(reinterpret_cast<char*>(peer.at(gpas[0])) + 12, 153) == want);
      CHECK(*peer.at(gpas[0]) == 0);
    }
  }
}

TEST("regression: a checksum is filled in once, also when the packet had to wait for a buffer") {
  Peer peer;
  Pool pool;
  peer.Start(QueueRole::kTx);
  const std::string frame = Bytes(100);
  const uint32_t id = pool.Make(frame);
  pool->ol_flags()[id] = MBUF_F_NEEDS_CSUM;
  pool->csum_start()[id] = 34;
  pool->csum_offset()[id] = 16;
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 0);
  const std::string once = pool.Frame(id);
  CHECK(TxBurst(peer.queue, *pool, &id, 1) == 0);
  CHECK(pool.Frame(id) == once);
}
