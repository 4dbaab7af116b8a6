// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets unmodified: the fastest mode, because it never reads them. Between two ports that map
// their peers' memory, packets are relayed from ring to ring in one copy and wait in the sender's ring while
// the receiver has no room. Without a receiver they are dropped.

import type { Relay } from '../../ethdev/port.ts';
import type { FwdEngine, FwdStream } from './engine.ts';
import { relayBurst, relayOf } from './relayed.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const io: FwdEngine = {
  name: 'io',
  streamInit(stream) {
    stream.state = relayOf(stream);
  },
  packetFwd(stream) {
    const moved = relayBurst(stream, stream.state as Relay | null);
    return moved < 0 ? throughMbufs(stream) : moved;
  },
};

function throughMbufs(stream: FwdStream): number {
  const n = streamReceive(stream);
  if (n > 0) streamTransmit(stream, n);
  return n;
}
