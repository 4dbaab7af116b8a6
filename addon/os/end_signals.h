// SPDX-License-Identifier: BSD-3-Clause
// SIGINT and SIGTERM, for a thread that waits outside its event loop and so cannot hear of them.
#pragma once

namespace vpci {

/** Whether libuv's handler has put one of the two into a loop's signal pipe, where the loop has yet to read
 * it. Takes nothing out of the pipe. */
bool EndSignalWaits(int signal_pipe);

/** Whether ^C at a terminal in raw mode is a signal (on) or a character. Does not wait for output that a held
 * terminal does not take, as tcsetattr(TCSADRAIN) would; 0 or a negative errno. */
int SetTerminalInterrupt(int fd, bool on);

}  // namespace vpci
