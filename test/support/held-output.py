# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on a terminal or a pipe that is not read until requested:
# held-output.py terminal|session|pipe PROGRAM [ARGUMENT...]
# In a session, the terminal is the controlling one, so that a shell has job control. The line "read" on stdin
# starts reading, and the output goes to stdout; any other line is typed on the terminal. Prints "pid N" on
# stderr and, when the program has ended and its output was read or is held, "exit CODE".
import fcntl
import os
import pty
import subprocess
import sys
import termios
import threading


def copy(source):
    while True:
        try:
            data = os.read(source, 65536)
        except OSError:
            return
        if not data:
            return
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


kind, *command = sys.argv[1:]
held, end = os.pipe() if kind == "pipe" else pty.openpty()
child = subprocess.Popen(
    command,
    stdin=subprocess.DEVNULL if kind == "pipe" else end,
    stdout=end,
    stderr=end,
    start_new_session=kind == "session",
    preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if kind == "session" else None,
)
os.close(end)
print(f"pid {child.pid}", file=sys.stderr, flush=True)
reader = threading.Thread(target=copy, args=(held,), daemon=True)


def control():
    for line in sys.stdin:
        if line == "read\n":
            reader.start()
        else:
            os.write(held, line.encode())
    child.kill()
    child.wait()
    # A job that outlives the shell loses its terminal.
    os._exit(0)


threading.Thread(target=control, daemon=True).start()
code = child.wait()
if reader.ident:
    reader.join()
print(f"exit {code}", file=sys.stderr, flush=True)
os._exit(0)
