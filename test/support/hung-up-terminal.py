# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on a terminal, and closes the terminal once the program has printed MARK:
# hung-up-terminal.py MARK PROGRAM ARGUMENTS
# Prints the program's exit status; a negative one is a signal.
import os
import pty
import sys

mark = sys.argv[1].encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while mark not in seen:
    seen += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
