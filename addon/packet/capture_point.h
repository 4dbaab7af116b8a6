// SPDX-License-Identifier: BSD-3-Clause
// Where captures hook into queues: for each queue of each port a word that its bursts look at, and what is
// behind it while a capture runs. The main thread begins and ends captures; each point has one thread that
// works its queue.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "packet/capture_queue.h"

namespace vpci {

// As in src/drivers/registry.ts, and the queue pairs of a vhost-user peer.
inline constexpr uint32_t kCapturePorts = 32;
inline constexpr uint32_t kCaptureQueues = 128;
inline constexpr uint32_t kCapturePoints = kCapturePorts * 2 * kCaptureQueues;

// Not 0 while the point of this number is captured. One more, always 0, is for queues that have no point.
extern uint32_t g_capture_words[kCapturePoints + 1];

class alignas(64) CapturePoint {
 public:
  // HOT. Copies of packets that have been received.
  void Received(MbufPool& pool, const uint32_t* ids, uint32_t n) {
    CaptureQueue* queue = Enter();
    if (!queue) return;
    queue->Received(pool, ids, n);
    Leave();
  }
  // HOT. Before a burst that sends, and after it.
  void Sending(MbufPool& pool, const uint32_t* ids, uint32_t n) {
    sending_ = Enter();
    if (sending_) sending_->Sending(pool, ids, n);
  }
  void Sent(uint32_t n) {
    if (!sending_) return;
    sending_->Sent(n);
    sending_ = nullptr;
    Leave();
  }

  // Main thread. False if a capture is there, or one has not ended yet.
  bool Begin(uint32_t number, std::unique_ptr<CaptureQueue> queue);
  // Main thread. From now on nothing is copied. True once no thread is at it any more, with the final counts:
  // its memory may go. To be called again until then.
  bool End(uint32_t number, CaptureCounts* counts);
  const CaptureQueue* queue() const { return owned_.get(); }

 private:
  // Either this thread sees that the capture has ended, or the ending thread sees that this one is here.
  CaptureQueue* Enter() {
    busy_.store(true, std::memory_order_seq_cst);
    CaptureQueue* queue = queue_.load(std::memory_order_seq_cst);
    if (!queue) Leave();
    return queue;
  }
  void Leave() { busy_.store(false, std::memory_order_release); }

  std::atomic<bool> busy_{false};
  std::atomic<CaptureQueue*> queue_{nullptr};
  CaptureQueue* sending_ = nullptr;
  std::unique_ptr<CaptureQueue> owned_;
};

CapturePoint& CapturePointOf(uint32_t number);

}  // namespace vpci
