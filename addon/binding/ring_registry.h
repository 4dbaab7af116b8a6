// SPDX-License-Identifier: BSD-3-Clause
// Handles of the ring engine's objects. Handles are small integers that mean the same in every thread; a
// lookup is an array access without a lock. A handle consists of a slot number and the slot's use count, so a
// handle that was released names nothing: a thread that still polls a closed port must not reach the next
// port's queue. Queues themselves are never freed, so a counter view can outlive its queue.
#pragma once
#include <napi.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>

#include "burst/peer_traffic.h"
#include "burst/tap_queue.h"
#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"
#include "ring/memory_table.h"

namespace vpci {

struct PoolEntry {
  uint32_t mapping;
  uint8_t* memory;
  size_t bytes;
  std::unique_ptr<MbufPool> pool;
};

// A fixed table of slots. Get is lock-free; everything else is for the control path. No handle is 0, which is
// what the hot functions make of an argument that is not a number.
template <typename T, uint32_t N>
class SlotTable {
  static_assert(std::has_single_bit(N));
  static constexpr uint32_t kSlotBits = std::bit_width(N - 1);
  // Distinct uses of a slot: 12 bits leave room for a vector's number in a pool's handle.
  static constexpr uint32_t kUseBits = 12, kUses = 1u << kUseBits;

 public:
  static constexpr uint32_t kHandleBits = kSlotBits + kUseBits;

  // The handle, or -1 if the table is full. Takes ownership.
  int64_t Add(std::unique_ptr<T> object) {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < N; i++) {
      if (slots_[i].object.load(std::memory_order_relaxed)) continue;
      slots_[i].object.store(object.release(), std::memory_order_relaxed);
      return Name(i);
    }
    return -1;
  }
  T* Get(uint32_t handle) const {
    const Slot& slot = slots_[handle % N];
    if (slot.handle.load(std::memory_order_acquire) != handle || handle == 0) return nullptr;
    return slot.object.load(std::memory_order_acquire);
  }
  std::unique_ptr<T> Remove(uint32_t handle) {
    std::lock_guard lock(mutex_);
    if (!Unname(handle)) return nullptr;
    return std::unique_ptr<T>(slots_[handle % N].object.exchange(nullptr));
  }

  // For objects that must stay in place: Retire only invalidates the handle; Renew gives a retired object a
  // new one, or returns -1 if there is none.
  void Retire(uint32_t handle) {
    std::lock_guard lock(mutex_);
    Unname(handle);
  }
  // For an object that may stay in use forever: it is never renewed, and its slot becomes free.
  void Abandon(uint32_t handle) {
    std::lock_guard lock(mutex_);
    if (Unname(handle)) slots_[handle % N].object.store(nullptr);
  }
  int64_t Renew() {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < N; i++)
      if (slots_[i].object.load() && slots_[i].handle.load() == 0) return Name(i);
    return -1;
  }

 private:
  struct Slot {
    std::atomic<T*> object{nullptr};
    std::atomic<uint32_t> handle{0};
    uint32_t uses = 0;
  };

  int64_t Name(uint32_t index) {
    Slot& slot = slots_[index];
    slot.uses = slot.uses % (kUses - 1) + 1;
    slot.handle.store(slot.uses << kSlotBits | index, std::memory_order_release);
    return slot.handle.load(std::memory_order_relaxed);
  }
  bool Unname(uint32_t handle) {
    return handle != 0 && slots_[handle % N].handle.compare_exchange_strong(handle, 0);
  }

  mutable std::mutex mutex_;
  std::array<Slot, N> slots_{};
};

// 32 ports (src/drivers/registry.ts) of 128 queue pairs.
inline constexpr uint32_t kMaxQueues = 8192;
inline constexpr uint32_t kMaxPools = 512;
inline constexpr uint32_t kMaxMemories = 1024;
// A vector's handle is its pool's handle and its number within the pool. Below 2^31 it is not a heap object
// in JavaScript.
inline constexpr uint32_t kVectorBits = 10;
static_assert(MbufPool::kMaxVectors <= 1u << kVectorBits);
static_assert(SlotTable<PoolEntry, kMaxPools>::kHandleBits + kVectorBits <= 31);

struct Registry {
  SlotTable<MemoryTable, kMaxMemories> memories;
  SlotTable<PoolEntry, kMaxPools> pools;
  SlotTable<PeerTraffic, kMaxQueues> driver_queues;
  // Retired instead of removed: another thread may still hold a view of the counters.
  SlotTable<DeviceQueue, kMaxQueues> queues;
  SlotTable<TapQueue, kMaxQueues> taps;

  DeviceQueue* Queue(uint32_t handle) const { return queues.Get(handle); }
};

// Never destroyed: worker threads may outlive the static destructors.
Registry& TheRegistry();

// Lookups for the control path: throw a RangeError that names the argument.
DeviceQueue& QueueArg(const Napi::Value& value);
MemoryTable& MemoryArg(const Napi::Value& value);
PoolEntry& PoolArg(const Napi::Value& value);
PeerTraffic& DriverQueueArg(const Napi::Value& value);
TapQueue& TapQueueArg(const Napi::Value& value);

void InitRingHot(Napi::Env env, Napi::Object exports);
void InitRingMemory(Napi::Env env, Napi::Object exports);
void InitRingPools(Napi::Env env, Napi::Object exports);
void InitRingQueues(Napi::Env env, Napi::Object exports);
void InitRingSections(Napi::Env env, Napi::Object exports);
void InitRingDriver(Napi::Env env, Napi::Object exports);
void InitRingTaps(Napi::Env env, Napi::Object exports);
void InitRingCapture(Napi::Env env, Napi::Object exports);
void InitRingLayouts(Napi::Env env, Napi::Object exports);

inline void Export(Napi::Env env, Napi::Object exports, const char* name,
                   Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(env, function, name));
}

}  // namespace vpci
