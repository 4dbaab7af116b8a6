# SPDX-License-Identifier: BSD-3-Clause
"""hold.py PID FILE: stops only the first thread of a process until FILE is gone, for a minute at most."""
import ctypes
import os
import sys
import time

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000

pid, file = int(sys.argv[1]), sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def trace(request):
    if libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


trace(PTRACE_SEIZE)
trace(PTRACE_INTERRUPT)
os.waitpid(pid, WALL)
with open(file, "w"):
    pass
end = time.monotonic() + 60
while os.path.exists(file) and time.monotonic() < end:
    time.sleep(0.05)
trace(PTRACE_DETACH)
