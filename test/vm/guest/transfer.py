# SPDX-License-Identifier: BSD-3-Clause
"""One end of a TCP transfer: "receive PORT" and "send HOST PORT MEBIBYTES SEED" print the SHA-256 of the bytes."""
import hashlib
import random
import socket
import sys

MEBIBYTE = 1 << 20
digest = hashlib.sha256()

if sys.argv[1] == "receive":
    with socket.create_server(("", int(sys.argv[2]))) as server:
        connection, _ = server.accept()
        with connection:
            while part := connection.recv(MEBIBYTE):
                digest.update(part)
else:
    host, port, count, seed = sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    noise = random.Random(seed).randbytes(MEBIBYTE - 8)
    with socket.create_connection((host, port)) as connection:
        for number in range(count):
            part = number.to_bytes(8, "big") + noise
            digest.update(part)
            connection.sendall(part)
print(digest.hexdigest())
