// SPDX-License-Identifier: BSD-3-Clause
// Receives packets and frees them.
import type { FwdEngine } from './engine.ts';
import { streamReceive } from './stream.ts';

export const rxonly: FwdEngine = {
  name: 'rxonly',
  packetFwd(stream) {
    const n = streamReceive(stream);
    if (n > 0) stream.pool.free(stream.pkts, 0, n);
    return n;
  },
};
