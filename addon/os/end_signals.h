// SPDX-License-Identifier: BSD-3-Clause
// SIGINT and SIGTERM, for a thread that waits outside its event loop and so cannot hear of them.
#pragma once

namespace vpci {

/** Whether libuv's handler has put one of the two into a loop's signal pipe, where the loop has yet to read
 * it. Takes nothing out of the pipe. */
bool EndSignalWaits(int signal_pipe);

}  // namespace vpci
