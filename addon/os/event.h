// SPDX-License-Identifier: BSD-3-Clause
// Eventfds and waiting. A peer's eventfds are shared with it: it may change their flags and counters at any
// time.
#pragma once
#include <cstdint>

namespace vpci {

// Waits for `events` (POLLIN, POLLOUT), an error or a hang-up; returns 1, 0 on time-out, or a negative errno.
int PollFd(int fd, short events, int timeout_ms);

// Whether the other end of a socket or pipe is closed, even if there is still data to read.
bool IsHungUp(int fd);

// Non-blocking eventfd, close-on-exec, or a negative errno.
int EventfdCreate();
// Whether a descriptor is an eventfd; false also if it is not open.
bool IsEventfd(int fd);
// Reads and clears the counter, which may be 0 already; returns 0 or a negative errno.
int EventfdDrain(int fd, uint64_t* count);

}  // namespace vpci
