// SPDX-License-Identifier: BSD-3-Clause
// The differences from dpdk-testpmd 22.11 and 24.11, for docs/dialect.md. test/golden/differences.txt has the
// lines of those that the same scripts show.

export interface DialectDifference {
  readonly where: string;
  /** The version that it is a difference from, when it is none from the other. */
  readonly only?: '22.11' | '24.11';
  readonly difference: string;
  readonly why: string;
}

export const DIALECT_DIFFERENCES: readonly DialectDifference[] = [
  {
    where: 'prompt on a pipe',
    difference: 'an echoed line ends in LF, there in CR LF',
    why: 'no parser looks at it',
  },
  {
    where: '`show rxq info`, `show txq info`',
    difference: 'shows the queue, there `Operation not supported`',
    why: 'the state and the size of a ring are known here',
  },
  {
    where: '`port config N rx_offload X on`',
    only: '22.11',
    difference: 'what the port does not have is refused at once; there at `port start`',
    why: 'one line says which command was wrong',
  },
  {
    where: '`port config N rxq Q ring_size`, `--rxd`, `--txd`',
    difference: 'of a port with a peer, say that the peer chooses its ring sizes',
    why: 'it does',
  },
  {
    where: '`vlan set extend on`',
    difference: 'filter and strip look behind an outer tag, if there is one',
    why: 'as ixgbe does it',
  },
  {
    where: 'mode ieee1588',
    difference: 'not known, as there',
    why: 'no clock of a device',
  },
  {
    where: 'mode recycle_mbufs',
    only: '22.11',
    difference: 'known: mode io',
    why: 'packets pass without mbufs there, or give them back at once',
  },
  {
    where: 'SCTP in mode csum',
    difference: 'its checksum is computed; there set to 0, unless the device does it',
    why: 'RFC 9260',
  },
  {
    where: '`set port N gso on`',
    difference:
      'also TCP over IPv6 and what a guest left to be segmented; the checksum of each piece is right, and headers around a tunnel are those of the piece; there as they were before',
    why: 'what is sent should arrive',
  },
  {
    where: '`csum parse-tunnel on`',
    difference:
      'checksums inside and around a tunnel are computed here, whatever `csum set` says; fragments and padding are left alone; there a fragment gets a checksum over its own bytes',
    why: "a port's checksum covers all to the end of the frame; what is sent should arrive",
  },
  {
    where: '`gro`',
    difference:
      "packets of a stream stay in order: only those of one length, but for the last, that follow one another are merged, each with right checksums, and segmented again where the TX port's peer takes no large packets; there any that are neighbours in the stream, and what is merged is sent as it is, with the checksum of the first",
    why: 'a peer that has not offered it drops large packets; segmented again they are what came',
  },
  {
    where: '`show config fwd` after `set fwd`',
    difference: 'names the new mode; there the old one until `start`',
    why: 'it is what `start` would do',
  },
  {
    where: '`port reset`',
    difference: 'done; `net_null` refuses it',
    why: 'the port is configured anew when it starts',
  },
  {
    where: '`port detach` of a started port',
    difference: '`Removing a device...` comes first',
    why: 'said before the port is looked at',
  },
  {
    where: '`flow`',
    difference:
      'ingress rules of group 0 over eth, vlan, ipv4, ipv6, udp and tcp with queue, drop, mark and count; the rest refused by name, without the pointer that real testpmd prints',
    why: 'done in software',
  },
  {
    where: '`set txtimes`',
    difference: 'packets are sent at these times; there only by devices that have a clock for it',
    why: 'the loop waits by itself',
  },
  {
    where: '`--txonly-multi-flow`',
    difference: 'the source port differs, as in 26.07; there the source address',
    why: 'the addresses stay those of `--tx-ip`',
  },
  {
    where: 'noisy',
    difference:
      "the buffer of a stream; what finds no room in it is dropped; there it is a port's, and such packets are lost to the pool",
    why: 'no loop shares a queue',
  },
  {
    where: 'wrong options, no ports',
    difference: 'exit status 2, one line',
    why: 'a mistake should not start anything',
  },
  {
    where: '`show port info`',
    difference:
      'minimum and maximum MTU; the hash that software has; what the driver says of itself (`Device private info`); other names and arguments of devices',
    why: 'the lines of later versions; what software does',
  },
  {
    where: '`show device info`',
    difference: 'what the driver says of itself; no list of speeds',
    why: 'a port here has one speed',
  },
  {
    where: '`show port xstats`',
    difference: 'more counters, of queues of `net_tap` as well; none of an IOTLB and of asynchronous copies',
    why: 'there is neither',
  },
  {
    where: '`show port summary`',
    difference: 'name and driver of a live port',
    why: '`net_vhost_pci` is another driver than `net_vhost`',
  },
  {
    where: '`rx_offload`, `tx_offload`',
    difference:
      "VLAN, checksums of IPv4 and SCTP and the hash are there on every port, in software, and nothing is a queue's; what a port does by itself, MBUF_FAST_FREE too, is always on and cannot be turned off; of a live port the rest is what its peer takes",
    why: 'done above the queues',
  },
  {
    where: '`show port ptypes`',
    difference: 'none; `net_tap` there finds them in software',
    why: 'mode csum and `set verbose` parse packets themselves',
  },
  {
    where: '`flow_ctrl`',
    difference:
      'shown as off, and refused to be turned on, as there of `net_tap`; of other ports refused there',
    why: 'no port has it',
  },
  {
    where: 'RSS',
    difference:
      'works on ports that `--rss-ip`, `--rss-udp` or `--enable-rss` give more queues than the device has (all of one port on one lcore), and on ports with one queue for the hash that `rx_offload rss_hash` keeps. On other ports it is refused in the words that testpmd has for a port with one queue',
    why: 'there the peer chooses the queue',
  },
  {
    where: '`mac_addr`, `mcast_addr`, `set promisc off`, `set allmulti off`',
    difference: 'done, in software; there refused of ports whose driver cannot',
    why: 'a port without filter drops what is not for it above its queues',
  },
  {
    where: '`vlan set`, `rx_vlan`, `tx_vlan`',
    difference: 'done, in software; there refused of ports whose driver cannot',
    why: 'tags are removed and added above the queues',
  },
  {
    where: '`port N rxq Q stop`, `setup`',
    difference: 'done; there refused of ports whose driver cannot',
    why: 'the streams of a stopped queue do not run',
  },
  {
    where: '`csum set X hw`, `tso set`',
    difference:
      'taken of IPv4, SCTP and outer headers, and where the port takes packets whose checksum is open: of a live port if its peer has offered it; there where the driver can',
    why: 'the TX port, or its peer, completes them',
  },
  {
    where: 'events',
    difference: '`port close` says nothing of sockets',
    why: 'the log of librte_vhost has no counterpart',
  },
  {
    where: 'lines of libraries',
    only: '24.11',
    difference: 'begin without `ETHDEV: `, as in 22.11',
    why: 'no library says them',
  },
  {
    where: '`tso`',
    only: '24.11',
    difference: 'speaks of TSO alone, as 22.11; there of UFO as well',
    why: 'scripts of both look for it',
  },
];
