// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets untouched: the fastest mode, because it never reads them.
import type { FwdEngine } from './engine.ts';
import { streamReceive, streamTransmit } from './stream.ts';

export const io: FwdEngine = {
  name: 'io',
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n > 0) streamTransmit(stream, n);
    return n;
  },
};
