// SPDX-License-Identifier: BSD-3-Clause
// The peer's front-end asks us to announce its guest's address (vhost-user.rst, SEND_RARP): a RARP broadcast
// in the guest's name, which the application receives as if the guest had sent it.
#pragma once
#include <cstdint>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// The value of DeviceQueue::announce for a six-byte address; never 0.
uint64_t Announcement(const uint8_t mac[6]);

// The pending broadcast, as mbuf `*id`. False if it is no longer pending, or if there is no mbuf: it stays
// pending then.
bool TakeAnnouncement(DeviceQueue& q, MbufPool& pool, uint32_t* id);

}  // namespace vpci
