// SPDX-License-Identifier: BSD-3-Clause
// The built-in peer's traffic over a virtqueue in the driver role: generates, checks and echoes frames. Every
// descriptor owns one buffer permanently, so sending and posting write little more than indices. The back-end
// is not trusted either.
#pragma once
#include <cstdint>
#include <vector>

#include "ring/driver_queue.h"

namespace vpci {

// Results of a timed receive, for JavaScript (driverArrivals in src/native/driver-queues.ts).
struct alignas(64) DriverArrivals {
  static constexpr uint32_t kMax = 512;
  double time = 0;             // set by the caller
  double sequence[kMax] = {};  // of each frame; -1 if it is too short to have one
};

class PeerTraffic : public DriverQueue {
 public:
  // 'rx' posts all its buffers, 'tx' starts with all of them free. False if any part lies outside the memory
  // or is misaligned.
  bool Init(QueueRole role, const DriverQueueSetup& setup);

  // Generated frames start with these bytes (headers and fill) and have this length. False if it is too short
  // or does not fit in a buffer.
  bool SetTemplate(const uint8_t* frame, uint32_t len);

  uint32_t Generate(uint32_t n);
  // `sequences`, if given, receives the sequence numbers of the frames, -1 for a frame too short to have one.
  uint32_t Receive(uint32_t n, bool check, double* sequences = nullptr);
  // Takes frames from `this` (rx) and sends them on `tx` with the MAC addresses swapped.
  uint32_t Echo(PeerTraffic& tx, uint32_t n);

  DriverArrivals arrivals;

 private:
  struct Frame {
    const uint8_t* data;
    uint32_t len;      // 0: the back-end returned a buffer without a frame
    uint32_t entries;  // used entries that it spans; their ids are in frame_ids_
  };

  template <class Ring>
  uint32_t GenerateOn(Ring& ring, uint32_t n);
  template <class Ring>
  uint32_t ReceiveOn(Ring& ring, uint32_t n, bool check, double* sequences);
  template <class Ring>
  uint32_t EchoOn(Ring& ring, Ring& tx_ring, PeerTraffic& tx, uint32_t n);
  template <class Ring>
  void PostAll(Ring& ring);
  template <class Ring>
  bool NextFrame(Ring& ring, Frame* out);
  template <class Ring>
  bool GatherFrame(Ring& ring, uint32_t buffers, Frame* out);
  template <class Ring>
  void Repost(Ring& ring, uint32_t entries);
  template <class Ring>
  void SendBack(Ring& ring, PeerTraffic& tx, const Frame& frame);

  uint8_t* Buffer(uint32_t id) { return buffers_ + uint64_t{id} * buffer_size_; }
  void CheckReceived(const Frame& frame);

  uint8_t* buffers_ = nullptr;
  uint32_t hdr_bytes_ = 12;
  uint32_t buffer_size_ = 0;
  bool mergeable_ = false;
  std::vector<uint16_t> frame_ids_;
  // Buffers that already hold the current template.
  std::vector<uint8_t> dressed_;
  std::vector<uint8_t> template_;
  std::vector<uint8_t> scratch_;
  uint64_t template_sum_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t expected_sequence_ = 0;
};

}  // namespace vpci
