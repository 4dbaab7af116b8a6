// SPDX-License-Identifier: BSD-3-Clause
// Fuzzes software segmentation: a packet that is, or is not, what its metadata says, in mbufs of any size,
// towards a peer that posts a few buffers at a time. Whatever the room, the peer gets what the oracle says;
// or it gets nothing, and the packet is counted.
#include "../ring/mock_peer.h"
#include "burst/device_tx.h"
#include "cut_oracle.h"
#include "guest.h"
#include "input.h"

namespace fuzz {
namespace {

constexpr uint32_t kSize = 32;
constexpr uint32_t kMostBuffer = 2048;

class Receiver {
 public:
  Receiver(uint64_t features, uint32_t buffer)
      : peer_(kSize, 0x10000 + kSize * kMostBuffer), buffer_(buffer) {
    for (uint32_t i = 0; i < kSize; i++)
      peer_.desc()[i] = {mock::kGpa + 0x10000 + i * kMostBuffer, buffer, VRING_DESC_F_WRITE, 0};
    MUST(peer_.Start(QueueRole::kTx, features) == StartError::kNone);
  }

  void Post(uint32_t n) {
    VringAvail* avail = peer_.avail();
    for (; n > 0 && static_cast<uint16_t>(avail->idx - seen_) < kSize; n--, avail->idx++)
      avail->ring[avail->idx % kSize] = avail->idx % kSize;
  }

  void Collect(std::vector<std::string>* frames) {
    while (seen_ != peer_.used()->idx) {
      VirtioNetHdr hdr;
      std::string all = Take();
      std::memcpy(&hdr, all.data(), sizeof hdr);
      MUST(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE && hdr.num_buffers >= 1);
      for (uint32_t n = 1; n < hdr.num_buffers; n++) all += Take();
      frames->push_back(all.substr(sizeof hdr));
    }
  }

  DeviceQueue& queue() { return peer_.queue; }

 private:
  std::string Take() {
    MUST(seen_ != peer_.used()->idx);
    const VringUsedElem e = peer_.used()->ring[seen_++ % kSize];
    MUST(e.id < kSize && e.len <= buffer_);
    return {reinterpret_cast<char*>(peer_.at(peer_.desc()[e.id].addr)), e.len};
  }

  mock::Peer peer_;
  const uint32_t buffer_;
  uint16_t seen_ = 0;
};

// Headers as a sender would write them, for most inputs; the input then corrupts some of their bytes.
std::string Template(Input& in, const CutRequest& r, bool ipv6, uint32_t tags) {
  std::string s(14 + 4 * tags, '\2');
  const auto put = [&s](size_t at, uint32_t v) {
    s[at] = static_cast<char>(v >> 8);
    s[at + 1] = static_cast<char>(v);
  };
  for (uint32_t i = 0; i < tags; i++) put(12 + 4 * i, in.Byte() & 1 ? 0x8100 : 0x88a8);
  put(s.size() - 2, ipv6 ? 0x86dd : 0x0800);
  const size_t l3 = s.size();
  s.resize(r.start, '\0');
  const char protocol = r.tcp ? 6 : 17;
  if (ipv6 && s.size() >= l3 + 40) {
    s[l3] = 0x60;
    const size_t rest = s.size() - l3 - 40;
    s[l3 + 6] = rest >= 8 ? 60 : protocol;
    if (rest >= 8) (s[l3 + 40] = protocol, s[l3 + 41] = static_cast<char>(rest / 8 - 1));
  } else if (!ipv6 && s.size() >= l3 + 20) {
    s[l3] = static_cast<char>(0x40 | ((s.size() - l3) / 4 & 15));
    s[l3 + 9] = protocol;
  }
  const size_t l4 = s.size();
  s.resize(l4 + (r.tcp ? 20 + 4 * in.Below(11) : 8), '\1');
  if (r.tcp) s[l4 + 12] = static_cast<char>((s.size() - l4) / 4 << 4);
  return s;
}

class Session {
 public:
  explicit Session(Input in) : in_(in), app_(400, 64u << in_.Below(6)) {}

  void Run() {
    const uint8_t mode = in_.Byte();
    const bool mergeable = mode & 1, checks = mode & 2, ipv6 = mode & 4;
    CutRequest request;
    request.tcp = mode & 8;
    request.finish = !checks;
    const uint32_t tags = in_.Below(3), options = in_.Below(6);
    request.start = 14 + 4 * tags + (ipv6 ? 40 + 8 * options : 20 + 4 * options);
    request.offset = request.tcp ? 16 : 6;
    std::string packet = Template(in_, request, ipv6, tags);
    packet.resize(packet.size() + in_.Below(2500));
    for (size_t i = packet.size(); i-- > 256;) packet[i] = static_cast<char>(i * 7 + i / 256);
    // Where the sender lies.
    for (uint32_t n = in_.Byte() % 4; n > 0; n--)
      packet[in_.Below(static_cast<uint32_t>(packet.size()))] = static_cast<char>(in_.Byte());
    if (in_.Byte() < 0x20) packet.resize(1 + in_.Below(static_cast<uint32_t>(packet.size())));
    if (in_.Byte() < 0x20) request.start = in_.Take<uint16_t>();
    if (in_.Byte() < 0x10) request.offset = in_.Byte();
    request.size = in_.Byte() < 0x80 ? 40 + in_.Below(600) : in_.Take<uint16_t>();
    uint16_t flag = !request.tcp ? MBUF_F_USO : ipv6 ? MBUF_F_TSO6 : MBUF_F_TSO4;
    if (in_.Byte() < 0x10) flag = MBUF_F_TSO6;
    request.tcp = flag != MBUF_F_USO;
    request.allows_ipv4 = flag != MBUF_F_TSO6;
    request.allows_ipv6 = flag != MBUF_F_TSO4;
    Cut(packet, request, flag, mergeable, checks);
  }

 private:
  void Cut(const std::string& packet, const CutRequest& r, uint16_t flag, bool mergeable, bool checks) {
    const uint32_t id =
        app_.Make(static_cast<uint32_t>(packet.size()), in_.Byte() < 0x80 ? 4096 : 1 + in_.Below(300), 0);
    if (id == kNoNext) return;
    MbufPool& pool = *app_.pool;
    size_t at = 0;
    for (uint32_t m = id; m != kNoNext; at += pool.data_len()[m], m = pool.next()[m])
      std::memcpy(pool.buffer(m) + pool.data_off()[m], packet.data() + at, pool.data_len()[m]);
    pool.ol_flags()[id] = static_cast<uint16_t>(MBUF_F_NEEDS_CSUM | flag | (in_.Byte() & 1 ? MBUF_F_ECN : 0));
    pool.csum_start()[id] = static_cast<uint16_t>(r.start);
    pool.csum_offset()[id] = static_cast<uint16_t>(r.offset);
    pool.gso_size()[id] = static_cast<uint16_t>(r.size);
    pool.hdr_len()[id] = in_.Take<uint16_t>();
    const uint32_t buffer = 128 + in_.Below(kMostBuffer - 128 + 1);
    Receiver receiver(mock::Modern(mergeable) | (checks ? uint64_t{1} << VIRTIO_NET_F_GUEST_CSUM : 0),
                      buffer);
    const auto segments = CutOracle(packet, r).Segments();
    std::vector<std::string> expected, got;
    bool dropped = !segments;
    if (segments) {
      for (const std::string& s : *segments) {
        dropped = s.size() + 12 > uint64_t{buffer} * (mergeable ? kSize : 1);
        if (dropped) break;
        expected.push_back(s);
      }
    }
    const uint32_t step = 1 + in_.Below(kSize);
    uint32_t taken = 0;
    for (uint32_t rounds = 0; taken == 0; rounds++) {
      MUST(rounds <= 2 * 1024 * kSize);
      receiver.Post(step);
      taken = TxBurst(receiver.queue(), pool, &id, 1);
      receiver.Collect(&got);
      if (taken == 0) {
        app_.held.assign(1, id);
        app_.Check();
        MUST(app_.Bytes(id).size() == pool.pkt_len()[id]);
        app_.held.clear();
      }
    }
    MUST(got == expected);
    MUST(receiver.queue().counters.errors == (dropped ? 1 : 0));
    MUST(receiver.queue().counters.good_packets == expected.size());
    MUST(receiver.queue().state.load() == QueueState::kRunning);
    app_.Check();
  }

  Input in_;
  Application app_;
};

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Session(fuzz::Input(data, size)).Run();
  return 0;
}
