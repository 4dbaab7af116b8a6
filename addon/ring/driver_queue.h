// SPDX-License-Identifier: BSD-3-Clause
// A split virtqueue in the driver role, for the built-in peer: every descriptor owns one buffer for ever, so
// that sending and posting only write indices. The back-end is not trusted either: what it puts in the used
// ring is checked.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/counters.h"
#include "ring/device_queue.h"
#include "ring/layout.h"

namespace vpci {

struct DriverQueueSetup {
  uint8_t* base;                        // of the shared memory
  uint64_t length;                      // of the shared memory
  uint64_t desc, avail, used, buffers;  // byte offsets
  uint64_t gpa;                         // of the first byte
  uint32_t size;
  uint32_t buffer_size;  // header included
  uint64_t features;
  int kick_fd;
};

class DriverQueue {
 public:
  // 'rx' posts all its buffers, 'tx' starts with all of them free. False when a part lies outside the memory
  // or is misaligned.
  bool Init(QueueRole role, const DriverQueueSetup& setup);

  // Frame bytes that generated frames start with (headers and fill); its length is the frames' length.
  // False when it is too short or does not fit in a buffer.
  bool SetTemplate(const uint8_t* frame, uint32_t len);

  uint32_t Generate(uint32_t n);
  uint32_t Receive(uint32_t n, bool check);
  // Takes frames of `this` (rx) and sends them on `tx` with the MAC addresses exchanged.
  uint32_t Echo(DriverQueue& tx, uint32_t n);

  DriverQueueCounters counters;

 private:
  struct Frame {
    const uint8_t* data;
    uint32_t len;
    uint32_t entries;  // used entries that it spans; their ids are in frame_ids_
  };

  uint8_t* Buffer(uint32_t id) { return buffers_ + uint64_t{id} * buffer_size_; }
  void Reclaim();
  uint32_t TakeFree();
  void Post(uint32_t id);
  void PostTx(uint32_t id, uint32_t frame_len);
  void Publish(uint32_t n);
  bool TakeUsed(uint16_t index, uint32_t* id, uint32_t* len);
  bool NextFrame(uint16_t index, uint32_t ready, Frame* out);
  bool GatherFrame(uint16_t index, uint32_t buffers, Frame* out);
  uint32_t ReadyEntries();
  void Repost(uint32_t entries);
  void CheckReceived(const Frame& frame);
  void SendBack(DriverQueue& tx, const Frame& frame);
  void Fail();

  VringDesc* desc_ = nullptr;
  VringAvail* avail_ = nullptr;
  const VringUsed* used_ = nullptr;
  uint8_t* buffers_ = nullptr;
  uint16_t mask_ = 0;
  uint16_t avail_idx_ = 0;  // ours, not yet published ones included
  uint16_t used_idx_ = 0;   // next used entry to look at
  uint32_t hdr_bytes_ = 12;
  uint32_t buffer_size_ = 0;
  bool mergeable_ = false;
  bool in_order_ = false;
  bool failed_ = false;
  int kick_fd_ = -1;
  // Which descriptors the back-end holds; guards against ids that are made up or given back twice.
  std::vector<uint8_t> in_flight_;
  // Free descriptors, first in first out: with a back-end that keeps order every descriptor stays at its
  // place in the available ring, which is what IN_ORDER asks for (VIRTIO 1.2, 2.7.9) and leaves ring and
  // table unwritten.
  std::vector<uint16_t> free_;
  uint32_t free_head_ = 0;
  uint32_t free_count_ = 0;
  std::vector<uint16_t> frame_ids_;
  // Which buffers hold the current template already.
  std::vector<uint8_t> dressed_;
  std::vector<uint8_t> template_;
  std::vector<uint8_t> scratch_;
  uint64_t template_sum_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t expected_sequence_ = 0;
};

}  // namespace vpci
