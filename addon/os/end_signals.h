// SPDX-License-Identifier: BSD-3-Clause
// SIGINT, SIGTERM and SIGHUP, for a thread that waits outside its event loop and so cannot hear of them.
#pragma once

namespace vpci {

// Whether libuv's handler has put one of them into a loop's signal pipe, where the loop has yet to read it.
// Takes nothing out of the pipe.
bool EndSignalWaits(int signal_pipe);

}  // namespace vpci
