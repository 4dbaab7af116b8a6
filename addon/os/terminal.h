// SPDX-License-Identifier: BSD-3-Clause
// For a terminal that may be held (Ctrl-S, a pseudo-terminal that nobody reads) while this process must keep
// running. The kernel blocks in two cases: a blocking write sleeps while it holds the terminal's write lock,
// and a mode change that first drains the output (TCSADRAIN, which Node's setRawMode uses) waits for that
// lock and for the output, regardless of signals.
#pragma once

namespace vpci {

// A separate non-blocking open file description of the terminal at `fd`, close-on-exec; -1 if `fd` is not a
// terminal or cannot be reopened. The flags of `fd` itself are shared with whoever started us, and stay
// unchanged.
int OpenTerminal(int fd);

// False while another job of the shell owns the terminal at `fd`: reading from it would stop this process.
// True if `fd` is not a terminal, or not the controlling one, since that stops nobody.
bool IsForeground(int fd);

// Sets raw mode as a line editor needs it, or restores the mode that the terminal had before the first call.
// Neither drops output nor waits for it. None of these functions changes the mode in the background. 0 or a
// negative errno.
int SetTerminalRaw(int fd, bool on);

// Restores the mode from before the first SetTerminalRaw, for an exit that runs nothing else.
void RestoreTerminal();

// Whether ^C at a terminal in raw mode is a signal (on) or a character. Does not wait for output; 0 or a
// negative errno.
int SetTerminalInterrupt(int fd, bool on);

}  // namespace vpci
