# SPDX-License-Identifier: BSD-3-Clause
# veth-frames.py INTERFACE [COUNT [OTHER]]: sends the frames that are lines of stdin, in hexadecimal, and prints COUNT
# that come back, or arrive at the OTHER interface, else as many, with the tags that the kernel keeps beside a packet
# (PACKET_AUXDATA).
import select
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, ETH_P_ALL = 263, 8, 3
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6

sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
sock.bind((sys.argv[3] if len(sys.argv) > 3 else sys.argv[1], 0))
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sender.bind((sys.argv[1], 0))
frames = [bytes.fromhex(line) for line in sys.stdin.read().split()]
for frame in frames:
    sender.send(frame)
wanted = int(sys.argv[2]) if len(sys.argv) > 2 else len(frames)
back = 0
while back < wanted and select.select([sock], [], [], 10)[0]:
    frame, ancillary, _, address = sock.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING:
        continue
    for level, kind, data in ancillary:
        if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
            continue
        status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', data[:20])
        if status & TP_STATUS_VLAN_VALID:
            tag = struct.pack('>HH', tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100, tci)
            frame = frame[:12] + tag + frame[12:]
    print(frame.hex())
    back += 1
