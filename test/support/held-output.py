# SPDX-License-Identifier: BSD-3-Clause
# Runs a program on a terminal, or on a pipe, that nobody reads until asked to: held-output.py terminal|pipe PROGRAM [ARGUMENT...]
# On stdin a line "read" begins to read: what comes goes to stdout; any other line is typed on the terminal. On stderr come
# "pid N" and, when the program has ended and what it wrote was read or is held, "exit CODE".
import os
import pty
import subprocess
import sys
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
held, end = pty.openpty() if kind == "terminal" else os.pipe()
child = subprocess.Popen(command, stdin=end if kind == "terminal" else subprocess.DEVNULL, stdout=end, stderr=end)
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


threading.Thread(target=control, daemon=True).start()
code = child.wait()
if reader.ident:
    reader.join()
print(f"exit {code}", file=sys.stderr, flush=True)
os._exit(0)
