// SPDX-License-Identifier: BSD-3-Clause
// Two sides of a shared memory, each an output section, and the four queues of the pair of rings in them.
// Each section is an allocation of exactly its size, so that AddressSanitizer detects the first byte beyond.
#pragma once
#include "mock_peer.h"
#include "ring/section_sender.h"

namespace mock {

class Sections {
 public:
  // Bytes of the two ring parts as Linux' ivshmem-net has them: vring_init with an alignment of 64.
  static uint64_t Used(uint32_t entries) { return (uint64_t{18} * entries + 6 + 63) & ~uint64_t{63}; }
  static uint64_t Data(uint32_t entries) { return (Used(entries) + 8 * entries + 6 + 63) & ~uint64_t{63}; }

  explicit Sections(uint64_t size = 0x10000, uint32_t entries = 64, uint32_t hdr_bytes = 0,
                    uint32_t max_frame = 2048, uint64_t features = 0) {
    for (auto& memory : memory_) {
      memory.reset(static_cast<uint8_t*>(std::aligned_alloc(64, size)));
      std::memset(memory.get(), 0, size);
    }
    setup = {Part(0),       Part(1),   size,      entries,  Used(entries),
             Data(entries), hdr_bytes, max_frame, features, -1};
    tx.role = far_tx.role = QueueRole::kTx;
    rx.role = far_rx.role = QueueRole::kRx;
  }
  ~Sections() {
    for (DeviceQueue* q : {&tx, &rx, &far_tx, &far_rx}) q->Quiesce();
  }

  // The setup of the other side.
  SectionSetup Far() const {
    SectionSetup far = setup;
    std::swap(far.own, far.peer);
    return far;
  }
  // All four queues.
  bool Start() {
    return tx.StartSection(setup) == StartError::kNone && rx.StartSection(setup) == StartError::kNone &&
           far_tx.StartSection(Far()) == StartError::kNone && far_rx.StartSection(Far()) == StartError::kNone;
  }

  // What one side's section holds: 0 is ours.
  uint8_t* memory(int side) { return memory_[side].get(); }
  VringDesc* desc(int side) { return reinterpret_cast<VringDesc*>(memory(side)); }
  VringAvail* avail(int side) { return reinterpret_cast<VringAvail*>(memory(side) + 16 * setup.entries); }
  VringUsed* used(int side) { return reinterpret_cast<VringUsed*>(memory(side) + setup.used); }
  uint16_t* used_event(int side) { return &avail(side)->ring[setup.entries]; }
  uint16_t* avail_event(int side) { return reinterpret_cast<uint16_t*>(&used(side)->ring[setup.entries]); }

  // By hand: the peer makes a frame available, and returns the oldest `n` of ours.
  void Offer(const VringDesc& d) {
    const uint32_t at = avail(1)->idx & (setup.entries - 1);
    desc(1)[at] = d;
    avail(1)->ring[at] = static_cast<uint16_t>(at);
    avail(1)->idx++;
  }
  void Return(uint32_t n) {
    for (; n > 0; n--) {
      const uint32_t at = used(1)->idx & (setup.entries - 1);
      used(1)->ring[at] = {at, 1};
      used(1)->idx++;
    }
  }

  bool Broken(const DeviceQueue& q) const { return q.state.load() == QueueState::kBroken; }

  SectionSetup setup;
  // Ours, and the peer's.
  DeviceQueue tx, rx, far_tx, far_rx;

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  SectionPart Part(uint32_t side) { return {memory_[side].get(), side + 1, 0}; }

  std::unique_ptr<uint8_t, Free> memory_[2];
};

}  // namespace mock
