// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets unmodified: the fastest mode, because it never reads them. Between two ports that map
// their peers' memory, packets are relayed from ring to ring in one copy and wait in the sender's ring while
// the receiver has no room. Without a receiver they are dropped.

import type { Relay } from '../../ethdev/port.ts';
import { type FwdEngine, type FwdStream, STREAM_RX, STREAM_TX } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const io: FwdEngine = {
  name: 'io',
  streamInit(stream) {
    stream.state = stream.run.inPlace ? (stream.rx.relayTo?.(stream.tx) ?? null) : null;
  },
  packetFwd(stream) {
    const relay = stream.state as Relay | null;
    const moved = relay === null ? -1 : relay.burst(stream.run.burst);
    return moved < 0 ? throughMbufs(stream) : relayed(stream, moved);
  },
};

function relayed(stream: FwdStream, n: number): number {
  stream.counters[STREAM_RX] += n;
  stream.counters[STREAM_TX] += n;
  return n;
}

function throughMbufs(stream: FwdStream): number {
  const n = streamReceive(stream);
  if (n > 0) streamTransmit(stream, n);
  return n;
}
