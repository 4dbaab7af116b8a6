// SPDX-License-Identifier: BSD-3-Clause
// Forwards packets unmodified, their mbufs straight from the TX queue to the RX queue. Between ports that map
// their peers' memory, mode io needs none, and elsewhere it gives them back at once: it is that mode.
import type { FwdEngine } from './engine.ts';
import { io } from './io.ts';

export const recycleMbufs: FwdEngine = { ...io, name: 'recycle_mbufs' };
