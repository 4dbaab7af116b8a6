// SPDX-License-Identifier: BSD-3-Clause
// The environment of a fuzzed queue: guest memory in separate allocations of exactly the right size, a pool
// of mbufs, and the invariants that hold whatever the peer does. A violation aborts, which the fuzzer
// reports.
#pragma once
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

#define MUST(condition)                                                                   \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (0)

namespace fuzz {

using namespace vpci;

inline constexpr uint8_t kCanary = 0xc5;

struct FreeDelete {
  void operator()(uint8_t* p) const { std::free(p); }
};
using Block = std::unique_ptr<uint8_t, FreeDelete>;

// The end of the block is the end of the allocation, so AddressSanitizer detects the first byte beyond it.
inline Block Allocate(size_t bytes, size_t align, uint8_t fill) {
  uint8_t* p = static_cast<uint8_t*>(std::aligned_alloc(align, bytes));
  std::memset(p, fill, bytes);
  return Block(p);
}

struct Region {
  uint64_t gpa;
  uint32_t size;
};

// Guest memory; regions that are adjacent in guest-physical space are not adjacent in this process.
class GuestMemory {
 public:
  explicit GuestMemory(const std::vector<Region>& regions) : regions_(regions) {
    std::vector<MemoryRegion> table_regions;
    for (const Region& r : regions) {
      blocks_.push_back(Allocate(r.size, 4096, 0));
      table_regions.push_back({r.gpa, r.size, blocks_.back().get(), 1, r.gpa});
    }
    MUST(table.Build(table_regions));
  }

  // The byte at `gpa`, independent of the table under test, or nullptr in a hole.
  uint8_t* Find(uint64_t gpa) {
    for (size_t i = 0; i < regions_.size(); i++)
      if (gpa >= regions_[i].gpa && gpa - regions_[i].gpa < regions_[i].size)
        return blocks_[i].get() + (gpa - regions_[i].gpa);
    return nullptr;
  }
  // [gpa, gpa + len) in one region.
  uint8_t* Find(uint64_t gpa, uint64_t len) {
    for (size_t i = 0; i < regions_.size(); i++) {
      uint64_t offset = gpa - regions_[i].gpa;
      if (gpa >= regions_[i].gpa && offset < regions_[i].size && len <= regions_[i].size - offset)
        return blocks_[i].get() + offset;
    }
    return nullptr;
  }

  std::vector<uint8_t> Snapshot() const {
    std::vector<uint8_t> all;
    for (size_t i = 0; i < regions_.size(); i++)
      all.insert(all.end(), blocks_[i].get(), blocks_[i].get() + regions_[i].size);
    return all;
  }
  // Position in a snapshot.
  size_t IndexOf(const uint8_t* p) const {
    size_t before = 0;
    for (size_t i = 0; i < regions_.size(); before += regions_[i++].size)
      if (p >= blocks_[i].get() && p < blocks_[i].get() + regions_[i].size)
        return before + static_cast<size_t>(p - blocks_[i].get());
    std::abort();
  }
  size_t bytes() const {
    size_t all = 0;
    for (const Region& r : regions_) all += r.size;
    return all;
  }

  MemoryTable table;

 private:
  std::vector<Region> regions_;
  std::vector<Block> blocks_;
};

// A pool, and the mbufs of it that the application holds.
class Application {
 public:
  Application(uint32_t count, uint32_t data_room)
      : memory_(Allocate((MbufPool::BytesNeeded({count, data_room, kHeadroom}) + 63) / 64 * 64, 64, 0)) {
    pool.emplace(memory_.get(), PoolOptions{count, data_room, kHeadroom});
    for (uint32_t id = 0; id < count; id++) std::memset(pool->buffer(id), kCanary, kHeadroom);
  }

  // Takes over packets that a burst has received.
  void Hold(const uint32_t* ids, uint32_t n) { held.insert(held.end(), ids, ids + n); }
  void FreeAll() {
    pool->Free(held.data(), static_cast<uint32_t>(held.size()));
    held.clear();
  }

  // A packet of `bytes` bytes in segments of at most `segment`, or kNoNext if the pool has too few mbufs.
  uint32_t Make(uint32_t bytes, uint32_t segment, uint8_t seed) {
    segment = std::min(std::max(segment, 1u), pool->data_room());
    uint32_t parts = std::max(1u, (bytes + segment - 1) / segment);
    std::vector<uint32_t> ids(parts);
    if (!pool->Alloc(ids.data(), parts)) return kNoNext;
    for (uint32_t i = 0; i < parts; i++) {
      uint32_t len = std::min(segment, bytes - i * segment);
      std::memset(pool->buffer(ids[i]) + kHeadroom, seed + static_cast<int>(i), len);
      pool->data_len()[ids[i]] = static_cast<uint16_t>(len);
      pool->next()[ids[i]] = i + 1 < parts ? ids[i + 1] : kNoNext;
    }
    pool->pkt_len()[ids[0]] = bytes;
    pool->ol_flags()[ids[0]] = 0;
    return ids[0];
  }

  // No mbuf is lost or held twice, and nothing was written before a packet's room.
  void Check() {
    const std::vector<uint8_t> canaries(kHeadroom, kCanary);
    std::vector<uint8_t> seen(pool->count());
    uint32_t owned = 0;
    for (uint32_t id : held)
      for (; id != kNoNext; id = pool->next()[id]) {
        MUST(id < pool->count() && !seen[id]);
        seen[id] = 1;
        owned++;
        MUST(uint32_t{pool->data_off()[id]} + pool->data_len()[id] <= pool->stride());
      }
    MUST(pool->available() + owned == pool->count());
    for (uint32_t id = 0; id < pool->count(); id++) {
      MUST(seen[id] || pool->next()[id] == kFreeMark);
      MUST(std::memcmp(pool->buffer(id), canaries.data(), kHeadroom) == 0);
    }
  }

  std::vector<uint8_t> Bytes(uint32_t id) {
    std::vector<uint8_t> all;
    for (; id != kNoNext; id = pool->next()[id]) {
      const uint8_t* p = pool->buffer(id) + pool->data_off()[id];
      all.insert(all.end(), p, p + pool->data_len()[id]);
    }
    return all;
  }

  std::optional<MbufPool> pool;
  std::vector<uint32_t> held;

 private:
  static constexpr uint32_t kHeadroom = 64;
  Block memory_;
};

// Decodes an input's feature word.
inline uint64_t FeaturesOf(uint16_t bits) {
  constexpr int kBits[] = {
      VIRTIO_NET_F_MRG_RXBUF,  VIRTIO_F_VERSION_1,      VIRTIO_F_RING_INDIRECT_DESC, VIRTIO_F_IN_ORDER,
      VIRTIO_F_RING_PACKED,    VIRTIO_F_RING_EVENT_IDX, VIRTIO_NET_F_CSUM,           VIRTIO_NET_F_HOST_TSO4,
      VIRTIO_NET_F_HOST_TSO6,  VIRTIO_NET_F_HOST_ECN,   VIRTIO_NET_F_HOST_USO,       VIRTIO_NET_F_GUEST_CSUM,
      VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,      VIRTIO_NET_F_GUEST_USO4};
  uint64_t features = 0;
  for (size_t i = 0; i < std::size(kBits); i++)
    if (bits >> i & 1) features |= uint64_t{1} << kBits[i];
  if (HasFeature(features, VIRTIO_NET_F_GUEST_USO4)) features |= uint64_t{1} << VIRTIO_NET_F_GUEST_USO6;
  return features;
}

}  // namespace fuzz

// A pool is a large block: with the usual quarantine the fuzzer would spend its time on fresh pages.
extern "C" __attribute__((used)) inline const char* __asan_default_options() {
  return "quarantine_size_mb=1";
}
