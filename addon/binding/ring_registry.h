// SPDX-License-Identifier: BSD-3-Clause
// Handles of the ring engine's objects. Handles are small integers that mean the same in every thread;
// looking one up is an array access without a lock. Queue slots are never given back to the system, so a
// counter view can outlive its queue.
#pragma once
#include <napi.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "ring/device_queue.h"
#include "ring/driver_queue.h"
#include "ring/mbuf_pool.h"
#include "ring/memory_table.h"

namespace vpci {

struct PoolEntry {
  uint32_t mapping;
  uint8_t* memory;
  size_t bytes;
  std::unique_ptr<MbufPool> pool;
};

// A fixed table of slots. Get is lock-free; Add and Remove are for the control path.
template <typename T, uint32_t N>
class SlotTable {
 public:
  // The handle, or -1 when the table is full. Takes ownership.
  int64_t Add(std::unique_ptr<T> object) {
    std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < N; i++) {
      if (slots_[i].load(std::memory_order_relaxed)) continue;
      slots_[i].store(object.release(), std::memory_order_release);
      return i;
    }
    return -1;
  }
  T* Get(uint32_t handle) const {
    return handle < N ? slots_[handle].load(std::memory_order_acquire) : nullptr;
  }
  std::unique_ptr<T> Remove(uint32_t handle) {
    std::lock_guard lock(mutex_);
    return std::unique_ptr<T>(handle < N ? slots_[handle].exchange(nullptr) : nullptr);
  }

 private:
  mutable std::mutex mutex_;
  std::array<std::atomic<T*>, N> slots_{};
};

// Queues are used again instead of freed: another thread may still hold a view of the counters.
struct QueueSlot {
  DeviceQueue queue;
  std::atomic<bool> in_use{false};
};

inline constexpr uint32_t kMaxQueues = 1024;
inline constexpr uint32_t kMaxPools = 256;
inline constexpr uint32_t kMaxMemories = 1024;
// A vector's handle is its pool's handle and its number in the pool.
inline constexpr uint32_t kVectorBits = 8;
static_assert(MbufPool::kMaxVectors <= 1u << kVectorBits);

struct Registry {
  SlotTable<MemoryTable, kMaxMemories> memories;
  SlotTable<PoolEntry, kMaxPools> pools;
  SlotTable<DriverQueue, kMaxQueues> driver_queues;
  SlotTable<QueueSlot, kMaxQueues> queues;

  DeviceQueue* Queue(uint32_t handle) const {
    QueueSlot* slot = queues.Get(handle);
    return slot && slot->in_use.load(std::memory_order_acquire) ? &slot->queue : nullptr;
  }
};

// Never destroyed: worker threads may outlive the static destructors.
Registry& TheRegistry();

// Lookups for the control path: throw a RangeError that names the argument.
DeviceQueue& QueueArg(const Napi::Value& value);
MemoryTable& MemoryArg(const Napi::Value& value);
PoolEntry& PoolArg(const Napi::Value& value);
DriverQueue& DriverQueueArg(const Napi::Value& value);

void InitRingHot(Napi::Env env, Napi::Object exports);
void InitRingMemory(Napi::Env env, Napi::Object exports);
void InitRingPools(Napi::Env env, Napi::Object exports);
void InitRingQueues(Napi::Env env, Napi::Object exports);
void InitRingDriver(Napi::Env env, Napi::Object exports);
void InitRingLayouts(Napi::Env env, Napi::Object exports);

inline void Export(Napi::Env env, Napi::Object exports, const char* name,
                   Napi::Value (*function)(const Napi::CallbackInfo&)) {
  exports.Set(name, Napi::Function::New(env, function, name));
}

}  // namespace vpci
