# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on a terminal, and stops reading once it has printed MARK:
# held-terminal.py MARK PROGRAM ARGUMENTS
# Then it types input that makes the program print more, prints "held", and exits when its stdin is closed.
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
for _ in range(40):
    os.write(terminal, b'show port info all\n')
print('held', flush=True)
sys.stdin.read()
os.kill(pid, 9)
