// SPDX-License-Identifier: BSD-3-Clause
// ArrayBuffers over memory that the addon owns: one per object and environment (thread), cached in the
// instance data. The cache keeps them alive; DropBuffer detaches, so that JavaScript can never reach freed
// memory.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace vpci {

// What a buffer shows. Together with the handle, and a number if an object has several buffers, it identifies
// the buffer.
enum class BufferOf : uint32_t {
  kMapping,
  kPool,
  kQueueStats,
  kDriverQueueStats,
  kTapQueueStats,
  kQueueSlots,
  kMappingWindow,
  kDriverArrivals,
  kCaptureWords
};

// This thread's buffer over [base, base + length) of the object, created on first use. Throws a RangeError if
// it is too long.
Napi::ArrayBuffer CachedBuffer(Napi::Env env, BufferOf what, uint32_t handle, void* base, size_t length,
                               uint32_t number = 0);

// Detaches and forgets this thread's buffer, if there is one. Call it before freeing the memory.
void DropBuffer(Napi::Env env, BufferOf what, uint32_t handle, uint32_t number = 0);

}  // namespace vpci
