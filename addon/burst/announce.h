// SPDX-License-Identifier: BSD-3-Clause
// The peer's front-end asks us to make its guest's address known (vhost-user.rst, SEND_RARP): a RARP
// broadcast in the guest's name, which the application receives as if the guest had sent it.
#pragma once
#include <cstdint>

#include "packet/mbuf_pool.h"
#include "ring/device_queue.h"

namespace vpci {

// What DeviceQueue::announce holds for an address of six bytes; never 0.
uint64_t Announcement(const uint8_t mac[6]);

// The broadcast that waits, as mbuf `*id`. False when there is none any more, or no mbuf: then it waits on.
bool TakeAnnouncement(DeviceQueue& q, MbufPool& pool, uint32_t* id);

}  // namespace vpci
