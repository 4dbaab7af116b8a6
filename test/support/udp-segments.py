# SPDX-License-Identifier: BSD-3-Clause
# One end of a transfer of datagrams that the sender's kernel is given in large pieces, to be cut by UDP_SEGMENT as late as can be:
# `receive PORT` prints "listening", then the SHA-256 of what came; `send HOST PORT` prints that of what was sent. Node has no such socket
# option. A piece goes when the one before it has been acknowledged, so that no queue runs over.
import hashlib
import socket
import sys

UDP_SEGMENT = 103  # linux/udp.h
PIECES, SEGMENTS, SEGMENT = 50, 40, 1200

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(20)
digest = hashlib.sha256()
if sys.argv[1] == 'receive':
    sock.bind(('', int(sys.argv[2])))
    print('listening', flush=True)
    for piece in range(PIECES):
        for _ in range(SEGMENTS):
            datagram, sender = sock.recvfrom(65536)
            digest.update(len(datagram).to_bytes(4, 'big') + datagram)
        sock.sendto(piece.to_bytes(4, 'big'), sender)
else:
    sock.connect((sys.argv[2], int(sys.argv[3])))
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SEGMENT)
    for piece in range(PIECES):
        # The last datagram of a piece is a shorter one.
        data = bytes((piece * 7 + i * 13 + (i >> 8)) & 0xFF for i in range(SEGMENT * SEGMENTS - piece))
        for at in range(0, len(data), SEGMENT):
            datagram = data[at : at + SEGMENT]
            digest.update(len(datagram).to_bytes(4, 'big') + datagram)
        sock.send(data)
        assert sock.recv(4) == piece.to_bytes(4, 'big')
print(digest.hexdigest())
