// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets with the peer's address as the destination and the TX port's as the source. Between two
// ports that map their peers' memory they are relayed as in mode io, and get their addresses on the way.
import type { Mempool } from '../../ethdev/mempool.ts';
import type { Relay } from '../../ethdev/port.ts';
import { macWords } from '../../packet/mac.ts';
import type { FwdEngine, FwdStream } from './engine.ts';
import { relayBurst, relayOf } from './relayed.ts';
import { streamReceive, streamTransmit } from './stream.ts';

interface State {
  readonly macs: Uint32Array;
  readonly relay: Relay | null;
}

export const mac: FwdEngine = {
  name: 'mac',
  tags: true,
  streamInit(stream) {
    const macs = macWords(stream.plan.peerMac, stream.plan.txMac);
    stream.state = { macs, relay: relayOf(stream, macs) } satisfies State;
  },
  packetFwd(stream) {
    const { macs, relay } = stream.state as State;
    const moved = relayBurst(stream, relay);
    return moved < 0 ? throughMbufs(stream, macs) : moved;
  },
};

function throughMbufs(stream: FwdStream, macs: Uint32Array): number {
  const n = streamReceive(stream);
  if (n === 0) return 0;
  for (let i = 0; i < n; i++) setMacs(stream.pool, stream.pkts.ids[i], macs);
  streamTransmit(stream, n);
  return n;
}

/** HOT. */
export function setMacs(pool: Mempool, mbuf: number, macs: Uint32Array): void {
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  if ((start & 3) !== 0) {
    for (let i = 0; i < 12; i++) pool.bytes[start + i] = macs[i >>> 2] >>> ((i & 3) * 8);
    return;
  }
  const at = start >>> 2;
  pool.words[at] = macs[0];
  pool.words[at + 1] = macs[1];
  pool.words[at + 2] = macs[2];
}
