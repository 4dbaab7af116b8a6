// SPDX-License-Identifier: BSD-3-Clause
// What a burst that does not come back may still touch. A queue that was given up (DeviceQueue::kStuck) keeps
// its memory table and mappings from being freed, whoever gives them back, until the burst has left; when it
// never does, they stay for the life of the process.
#pragma once
#include "binding/ring_registry.h"

namespace vpci {

// To be called after Quiesce has returned kStuck; again does nothing.
void KeepForStuck(DeviceQueue& queue);
// Lets go of what nobody touches any more.
void ReapStuck();
// Whether stuck queues alone use this table: then it is theirs from now on, and its handle names nothing.
bool OrphanTable(uint32_t handle);

}  // namespace vpci
