// SPDX-License-Identifier: BSD-3-Clause
// A descriptor that is readable when an interface of this network namespace has changed: its name, its state,
// its existence (rtnetlink(7)). What it is now is to be asked then.
#pragma once

namespace vpci {

// A non-blocking descriptor, or a negative errno.
int LinkEventsOpen();

// Takes what has come, also when more had come than found room.
void LinkEventsDrain(int fd);

}  // namespace vpci
