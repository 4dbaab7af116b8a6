// SPDX-License-Identifier: BSD-3-Clause
// A handmade peer: memory of exactly the right size (so that AddressSanitizer detects the first byte beyond
// it), a ring in it, and chains of any shape. It checks nothing and follows no rules.
#pragma once
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace mock {

using namespace vpci;

inline constexpr uint64_t kGpa = 0x4000'0000;

struct Piece {
  uint32_t len;
  uint16_t flags = 0;
};

inline uint64_t Modern(bool mergeable = true) {
  return (uint64_t{1} << VIRTIO_F_VERSION_1) | (mergeable ? uint64_t{1} << VIRTIO_NET_F_MRG_RXBUF : 0);
}

class Peer {
 public:
  explicit Peer(uint32_t size = 16, uint32_t memory_bytes = 1 << 20) : size_(size), bytes_(memory_bytes) {
    // A separate aligned_alloc: the end of the peer's memory is the end of the allocation.
    memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(4096, memory_bytes)));
    std::memset(memory_.get(), 0, memory_bytes);
    table.Build({{kGpa, memory_bytes, memory_.get(), 1, 0}});
    next_buffer_ = 0x10000;
  }
  ~Peer() { queue.Quiesce(); }

  uint64_t desc_gpa() const { return kGpa; }
  uint64_t avail_gpa() const { return kGpa + 0x4000; }
  uint64_t used_gpa() const { return kGpa + 0x8000; }
  uint8_t* at(uint64_t gpa) { return memory_.get() + (gpa - kGpa); }
  VringDesc* desc() { return reinterpret_cast<VringDesc*>(at(desc_gpa())); }
  VringAvail* avail() { return reinterpret_cast<VringAvail*>(at(avail_gpa())); }
  VringUsed* used() { return reinterpret_cast<VringUsed*>(at(used_gpa())); }
  // For a packed ring, in the same places.
  VringPackedDesc* slots() { return reinterpret_cast<VringPackedDesc*>(at(desc_gpa())); }
  VringPackedDescEvent* driver_event() { return reinterpret_cast<VringPackedDescEvent*>(at(avail_gpa())); }
  VringPackedDescEvent* device_event() { return reinterpret_cast<VringPackedDescEvent*>(at(used_gpa())); }
  uint32_t size() const { return size_; }
  uint32_t bytes() const { return bytes_; }
  uint64_t end() const { return kGpa + bytes_; }

  StartError Start(QueueRole role, uint64_t features = Modern(), uint16_t last = 0, GateWords* gate = nullptr,
                   uint16_t serial = 0) {
    queue.role = role;
    RingSetup setup{&table, desc_gpa(), avail_gpa(), used_gpa(), size_, last, features, -1};
    setup.gate = gate;
    setup.serial = serial;
    return queue.Start(setup);
  }

  uint64_t Allocate(uint32_t len) {
    uint64_t gpa = kGpa + next_buffer_;
    next_buffer_ += len;
    if (next_buffer_ > bytes_) std::abort();
    return gpa;
  }

  // Writes a chain of buffers into the table (descriptors from `free_desc_` on) and returns its head;
  // addresses go to `gpas`.
  uint16_t Chain(const std::vector<Piece>& pieces, std::vector<uint64_t>* gpas) {
    uint16_t head = free_desc_;
    for (size_t i = 0; i < pieces.size(); i++) {
      uint64_t gpa = Allocate(pieces[i].len);
      gpas->push_back(gpa);
      bool last = i + 1 == pieces.size();
      uint16_t flags = static_cast<uint16_t>(pieces[i].flags | (last ? 0 : VRING_DESC_F_NEXT));
      desc()[free_desc_] = {gpa, pieces[i].len, flags, static_cast<uint16_t>(free_desc_ + 1)};
      free_desc_++;
    }
    return head;
  }

  void Offer(uint16_t head) {
    avail()->ring[avail()->idx & (size_ - 1)] = head;
    avail()->idx++;
  }

  // A TX packet: zero header and `frame`, split into pieces of the given lengths.
  uint16_t OfferPacket(const std::string& frame, const std::vector<uint32_t>& cuts) {
    std::string all(12, '\0');
    all += frame;
    std::vector<Piece> pieces;
    for (uint32_t c : cuts) pieces.push_back({c});
    std::vector<uint64_t> gpas;
    uint16_t head = Chain(pieces, &gpas);
    size_t done = 0;
    for (size_t i = 0; i < cuts.size(); i++) {
      std::memcpy(at(gpas[i]), all.data() + done, cuts[i]);
      done += cuts[i];
    }
    Offer(head);
    return head;
  }

  // One RX entry of writable buffers.
  std::vector<uint64_t> OfferBuffers(const std::vector<uint32_t>& lens) {
    std::vector<Piece> pieces;
    for (uint32_t l : lens) pieces.push_back({l, VRING_DESC_F_WRITE});
    std::vector<uint64_t> gpas;
    Offer(Chain(pieces, &gpas));
    return gpas;
  }

  // The bytes of the used entries [from, to), joined as the driver would.
  std::string UsedBytes(uint16_t from, uint16_t to) {
    std::string all;
    for (uint16_t i = from; i != to; i++) {
      VringUsedElem e = used()->ring[i & (size_ - 1)];
      uint32_t left = e.len;
      for (uint16_t d = static_cast<uint16_t>(e.id); left > 0; d = desc()[d].next) {
        uint32_t part = std::min(left, desc()[d].len);
        all.append(reinterpret_cast<char*>(at(desc()[d].addr)), part);
        left -= part;
      }
    }
    return all;
  }

  bool broken() const { return queue.state.load() == QueueState::kBroken; }

  MemoryTable table;
  DeviceQueue queue;

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  uint32_t size_, bytes_;
  std::unique_ptr<uint8_t, Free> memory_;
  uint64_t next_buffer_;
  uint16_t free_desc_ = 0;
};

class Pool {
 public:
  explicit Pool(uint32_t count = 64, uint32_t data_room = 2048)
      : memory_(static_cast<uint8_t*>(std::aligned_alloc(64, Bytes(count, data_room)))) {
    std::memset(memory_.get(), 0, Bytes(count, data_room));
    pool.emplace(memory_.get(), PoolOptions{count, data_room, 128});
  }
  MbufPool& operator*() { return *pool; }
  MbufPool* operator->() { return &*pool; }

  // The bytes of a packet, all segments.
  std::string Frame(uint32_t id) {
    std::string all;
    for (; id != kNoNext; id = pool->next()[id])
      all.append(reinterpret_cast<char*>(pool->buffer(id)) + pool->data_off()[id], pool->data_len()[id]);
    return all;
  }

  // A packet in segments of at most `segment` bytes.
  uint32_t Make(const std::string& frame, uint32_t segment = 2048) {
    uint32_t first = kNoNext, last = kNoNext;
    for (size_t done = 0; done < frame.size(); done += segment) {
      uint32_t id;
      if (!pool->Alloc(&id, 1)) std::abort();
      std::string part = frame.substr(done, segment);
      std::memcpy(pool->buffer(id) + pool->headroom(), part.data(), part.size());
      pool->data_len()[id] = static_cast<uint16_t>(part.size());
      if (first == kNoNext) first = id;
      if (last != kNoNext) pool->next()[last] = id;
      last = id;
    }
    pool->pkt_len()[first] = static_cast<uint32_t>(frame.size());
    return first;
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  static size_t Bytes(uint32_t count, uint32_t data_room) {
    return (MbufPool::BytesNeeded({count, data_room, 128}) + 63) / 64 * 64;
  }
  std::unique_ptr<uint8_t, Free> memory_;
  std::optional<MbufPool> pool;
};

inline std::string Bytes(uint32_t len, uint32_t seed = 1) {
  std::string s(len, '\0');
  uint32_t x = seed * 2654435761u + 1;
  for (char& c : s) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return s;
}

}  // namespace mock
