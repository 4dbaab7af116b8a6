// SPDX-License-Identifier: BSD-3-Clause
// Memory that a burst which does not return may still touch. A queue that was given up (DeviceQueue::kStuck)
// keeps its memory table and mappings from being freed, whoever releases them, until the burst has left; if
// it never does, they stay for the life of the process.
#pragma once
#include "binding/ring_registry.h"

namespace vpci {

// Call after Quiesce has returned kStuck; further calls do nothing.
void KeepForStuck(DeviceQueue& queue);
// Releases what no burst can touch any more.
void ReapStuck();
// If only stuck queues use this table, hands it over to them and invalidates its handle; false otherwise.
bool OrphanTable(uint32_t handle);

}  // namespace vpci
