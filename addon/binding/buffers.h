// SPDX-License-Identifier: BSD-3-Clause
// ArrayBuffers over memory that the addon owns: one a thing and environment (thread), cached in the instance
// data. The cache holds them alive; DropBuffer detaches, so that JavaScript can never reach memory that is
// gone.
#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace vpci {

// What a buffer shows; with the handle, and a number where a thing has several, it names the buffer.
enum class BufferOf : uint32_t {
  kMapping,
  kPool,
  kQueueStats,
  kDriverQueueStats,
  kTapQueueStats,
  kQueueSlots,
  kMappingWindow,
  kDriverArrivals
};

// The buffer over [base, base + length) of this thing in this thread, made on first use. Throws a RangeError
// when too long.
Napi::ArrayBuffer CachedBuffer(Napi::Env env, BufferOf what, uint32_t handle, void* base, size_t length,
                               uint32_t number = 0);

// Detaches and forgets this thread's buffer, if there is one. Call it before the memory goes.
void DropBuffer(Napi::Env env, BufferOf what, uint32_t handle, uint32_t number = 0);

}  // namespace vpci
