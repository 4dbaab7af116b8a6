// SPDX-License-Identifier: BSD-3-Clause
// One burst's view of a section that we send by. A burst creates one, puts frames into it in order, and
// publishes. It keeps its own copies of the sender's positions: the compiler knows that no store of a frame
// changes them.
#pragma once
#include <algorithm>

#include "ring/device_queue.h"
#include "ring/section_sender.h"

namespace vpci {

class SectionRing {
 public:
  // Takes back what the peer has returned; if the peer broke a rule, the queue is broken, and nothing fits.
  explicit SectionRing(DeviceQueue& q)
      : q_(q),
        s_(*q.sender),
        desc_(s_.desc),
        end_(s_.end.data()),
        data_(s_.data),
        data_offset_(s_.data_offset),
        mask_(s_.mask),
        hdr_bytes_(s_.hdr_bytes) {
    if (__builtin_expect(!s_.Reclaim(), 0)) {
      q.Break();
      sane_ = false;
    }
    Load();
  }

  // Frames that there are descriptors for; their bytes may not fit.
  uint32_t free() const { return free_; }
  uint32_t hdr_bytes() const { return hdr_bytes_; }
  uint32_t max_frame() const { return s_.max_frame; }
  uint32_t data_bytes() const { return s_.data_bytes; }

  // Room for one more frame of `bytes` bytes, header included, behind those put before; nullptr if it does
  // not fit now. The peer sees the frame after Publish. free() must not be 0.
  uint8_t* Put(uint32_t bytes) {
    uint8_t* const at = Take(bytes);
    if (__builtin_expect(at != nullptr, 1)) Describe((next_ - 1u) & mask_, at, bytes);
    return at;
  }

  // Put, without a descriptor; Shorten supplies it.
  uint8_t* Take(uint32_t bytes) {
    uint32_t begin = FrameBegin(head_, hdr_bytes_);
    const bool fits = Fits(begin, bytes, limit_);
    if (__builtin_expect(!fits || next_ == turn_, 0) && !Turn(bytes, fits, &begin)) return nullptr;
    head_ = begin + bytes;
    end_[next_ & mask_] = head_;
    next_++;
    free_--;
    return data_ + begin;
  }

  // Takes the last `n` frames out again; the room behind those that stay is free.
  void TakeOut(uint32_t n) {
    s_.next = static_cast<uint16_t>(next_ - n);
    s_.head = end_[(s_.next - 1u) & mask_];
    s_.Settle();
    Load();
  }

  // The frame that was put `back` places ago (0 is the last), at `at`, has only `bytes` bytes. The frames
  // behind it stay where they are.
  void Shorten(uint32_t back, const uint8_t* at, uint32_t bytes) {
    const uint32_t id = (next_ - 1u - back) & mask_;
    Describe(id, at, bytes);
    end_[id] = static_cast<uint32_t>(at - data_) + bytes;
  }

  // Frames that the peer does not see yet.
  uint32_t pending() const { return static_cast<uint16_t>(next_ - s_.exposed); }

  // The positions are the sender's again, without the peer seeing the frames.
  void Save() {
    s_.next = next_;
    s_.head = head_;
    s_.limit = limit_;
  }

  void Publish() {
    Save();
    const uint32_t n = pending();
    if (n == 0) return;
    s_.Expose();
    q_.last_avail_idx = next_;
    // Orders our index before our load of the peer's event index (VIRTIO 1.2, 2.7.13.3.1).
    FullFence();
    q_.Notify(s_.WantsKick(n));
  }

 private:
  void Load() {
    next_ = s_.next;
    head_ = s_.head;
    limit_ = s_.limit;
    turn_ = s_.turn;
    free_ = sane_ ? s_.free_entries() : 0;
  }
  // A frame that does not fit begins at the start of the data. So does the first frame of a lap, which is a
  // power of two of frames, as many as the data hold or the ring has: descriptors of frames of one size
  // repeat then, need not be written, and stay in both caches. False if the frame does not fit at all.
  __attribute__((noinline)) bool Turn(uint32_t bytes, bool fits, uint32_t* begin) {
    const bool empty = next_ == s_.used_idx;
    const uint32_t first = FrameBegin(0, hdr_bytes_);
    if (next_ == turn_) {
      const uint32_t lap = static_cast<uint16_t>(next_ - s_.lap_begin);
      s_.turn = turn_ = static_cast<uint16_t>(next_ + std::min(lap, mask_ + 1));
      if (fits && lap <= mask_ && head_ <= s_.data_bytes / 2) return true;
    }
    if (!empty && !(head_ > s_.tail && Fits(first, bytes, s_.tail))) return fits;
    if (empty) s_.tail = 0;
    head_ = 0;
    limit_ = empty ? s_.data_bytes : s_.tail;
    s_.lap_begin = next_;
    s_.turn = turn_ = static_cast<uint16_t>(next_ + SectionSender::kLeastLap);
    *begin = first;
    return true;
  }
  void Describe(uint32_t id, const uint8_t* at, uint32_t len) {
    uint64_t* const words = reinterpret_cast<uint64_t*>(&desc_[id]);
    const uint64_t addr = data_offset_ + static_cast<uint64_t>(at - data_);
    if (__builtin_expect(LoadOnce(words) == addr && LoadOnce(words + 1) == len, 1)) return;
    StoreOnce(words, addr);
    StoreOnce(words + 1, uint64_t{len});
  }

  DeviceQueue& q_;
  SectionSender& s_;
  VringDesc* const desc_;
  uint32_t* const end_;
  uint8_t* const data_;
  const uint64_t data_offset_;
  const uint32_t mask_;
  const uint32_t hdr_bytes_;
  bool sane_ = true;
  uint16_t next_, turn_;
  uint32_t head_, limit_, free_;
};

}  // namespace vpci
