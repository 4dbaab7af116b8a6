// SPDX-License-Identifier: BSD-3-Clause
// SIGINT, SIGTERM and SIGHUP, for a thread that waits outside its event loop and so cannot receive them.
#pragma once

namespace vpci {

// Whether libuv's handler has put one of them into a loop's signal pipe and the loop has not read it yet.
// Does not consume anything from the pipe.
bool EndSignalWaits(int signal_pipe);

}  // namespace vpci
