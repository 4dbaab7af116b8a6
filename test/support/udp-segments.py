# SPDX-License-Identifier: BSD-3-Clause
# One end of a transfer of datagrams. The sender passes large pieces to its kernel with UDP_SEGMENT, to be cut
# as late as possible: `receive PORT` prints "listening", then the SHA-256 of the received data; `send HOST
# PORT` prints that of the sent data. Node does not have this socket option. A piece is sent when the previous
# one has been acknowledged, so that no queue overflows.
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
        # The last datagram of a piece is shorter.
        data = bytes((piece * 7 + i * 13 + (i >> 8)) & 0xFF for i in range(SEGMENT * SEGMENTS - piece))
        for at in range(0, len(data), SEGMENT):
            datagram = data[at : at + SEGMENT]
            digest.update(len(datagram).to_bytes(4, 'big') + datagram)
        sock.send(data)
        assert sock.recv(4) == piece.to_bytes(4, 'big')
print(digest.hexdigest())
