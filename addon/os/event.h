// SPDX-License-Identifier: BSD-3-Clause
// Eventfds and waiting. The eventfds of a peer are shared with it: it may change their flags and counters at
// any time.
#pragma once
#include <cstdint>

namespace vpci {

// Waits until `events` (POLLIN, POLLOUT), an error or a hang-up; 1, 0 on time-out, or a negative errno.
int PollFd(int fd, short events, int timeout_ms);

// Whether the other end of a socket or pipe is closed, also when there is still something to read.
bool IsHungUp(int fd);

// Non-blocking eventfd, close-on-exec, or a negative errno.
int EventfdCreate();
// Whether a descriptor is an eventfd; false too when it is none at all.
bool IsEventfd(int fd);
// Reads and clears the counter, 0 when it is 0 already; 0 or a negative errno.
int EventfdDrain(int fd, uint64_t* count);

}  // namespace vpci
