// SPDX-License-Identifier: BSD-3-Clause
// A terminal that may be held (Ctrl-S, a pseudo-terminal that nobody reads) by a process that must not be.
// Two things of the kernel's hold: a blocking write sleeps with the terminal's write lock, and a change of
// mode that first drains the output (TCSADRAIN, which Node's setRawMode uses) waits for that lock and for the
// output, whatever signal comes.
#pragma once

namespace vpci {

// A non-blocking description of its own for the terminal at `fd`, close-on-exec; -1 when `fd` is no terminal
// or cannot be opened again. The flags of `fd` itself are shared with whoever started us, and stay.
int OpenTerminal(int fd);

// False while another job of the shell has the terminal at `fd`: reading it would stop this process. True of
// what is no terminal, or not the controlling one, which stops nobody.
bool IsForeground(int fd);

// Raw mode as a line editor wants it, or the mode that the terminal had before the first call. Drops and
// awaits no output. None of these changes the mode in the background. 0 or a negative errno.
int SetTerminalRaw(int fd, bool on);

// The mode of before the first SetTerminalRaw, for an end that runs nothing else.
void RestoreTerminal();

// Whether ^C at a terminal in raw mode is a signal (on) or a character. Awaits no output; 0 or a negative
// errno.
int SetTerminalInterrupt(int fd, bool on);

}  // namespace vpci
