// SPDX-License-Identifier: BSD-3-Clause
// The gates of a queue: how one thread stops a queue that another one polls.
//
// Every burst enters the queue's own gate, which any thread of this process can close. A ring that another
// process handed out has a second gate (GateWords) in memory shared with that process: its owner revokes the
// ring there, without any cooperation from this process except that bursts check the gate.
#pragma once
#include <atomic>
#include <cstdint>

namespace vpci {

enum class QueueRole : uint8_t { kRx, kTx };
// The values are the contract of QUEUE_STOPPED, QUEUE_RUNNING and QUEUE_BROKEN in src/native/queues.ts.
enum class QueueState : uint32_t { kStopped = 0, kRunning = 1, kBroken = 2 };

// A queue's own gate.
struct Gate {
  std::atomic<uint32_t> busy{0};
  std::atomic<QueueState> state{QueueState::kStopped};

  // Store and load are sequentially consistent with those of the thread that closes the gate: either the
  // burst sees the closed gate, or that thread sees the burst.
  bool Enter() {
    busy.store(1, std::memory_order_seq_cst);
    if (__builtin_expect(state.load(std::memory_order_seq_cst) == QueueState::kRunning, 1)) return true;
    Leave();
    return false;
  }
  void Leave() { busy.store(0, std::memory_order_release); }

  bool Inside() const { return busy.load(std::memory_order_seq_cst) != 0; }
  void Close() { state.store(QueueState::kStopped, std::memory_order_seq_cst); }
};

// The second gate: the owner of a ring states which assignment of it may be used, and sees whether a burst is
// inside (docs/device-abi.md, "Gate words"). Each word has its own cache line, since both are polled.
struct GateWords {
  // Written by bursts.
  alignas(64) std::atomic<uint32_t> busy{0};
  // Written by the owner: the serial of the ring that bursts may touch; 0 for none.
  alignas(64) std::atomic<uint32_t> allowed{0};

  // Value of `allowed`: the owner has stopped waiting for the burst, which must leave without touching the
  // ring.
  static constexpr uint32_t kRevoked = 0xffff'ffff;

  // Like Gate::Enter. Call it inside the queue's own gate, which keeps these words mapped. The caller must
  // call Leave in either case.
  bool Enter(uint32_t serial) {
    busy.store(1, std::memory_order_seq_cst);
    return allowed.load(std::memory_order_seq_cst) == serial;
  }
  void Leave() { busy.store(0, std::memory_order_release); }
  bool Revoked() const { return allowed.load(std::memory_order_acquire) == kRevoked; }
};
static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

// Inside the gates of a queue from construction to destruction; tests false if one of them is closed.
template <class Queue>
class GateGuard {
 public:
  explicit GateGuard(Queue& q) : q_(q), inside_(q.Enter()) {}
  ~GateGuard() {
    if (inside_) q_.Leave();
  }
  GateGuard(const GateGuard&) = delete;
  GateGuard& operator=(const GateGuard&) = delete;

  explicit operator bool() const { return __builtin_expect(inside_, 1); }

 protected:
  Queue& q_;

 private:
  const bool inside_;
};

}  // namespace vpci
