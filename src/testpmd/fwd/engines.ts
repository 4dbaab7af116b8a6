// SPDX-License-Identifier: BSD-3-Clause
// The forward modes, in the order in which messages list them.

import { csum } from './csum.ts';
import type { FwdEngine } from './engine.ts';
import { fiveTupleSwap } from './five-tuple-swap.ts';
import { flowgen } from './flowgen.ts';
import { icmpecho } from './icmpecho.ts';
import { io } from './io.ts';
import { mac } from './mac.ts';
import { macswap } from './macswap.ts';
import { noisy } from './noisy.ts';
import { recycleMbufs } from './recycle-mbufs.ts';
import { rxonly } from './rxonly.ts';
import { sharedRxq } from './shared-rxq.ts';
import { txonly } from './txonly.ts';

export const engines: readonly FwdEngine[] = [
  io,
  mac,
  macswap,
  flowgen,
  rxonly,
  txonly,
  csum,
  icmpecho,
  noisy,
  fiveTupleSwap,
  recycleMbufs,
  sharedRxq,
];

export const engineNames: readonly string[] = engines.map((engine) => engine.name);

export function engineNamed(name: string): FwdEngine {
  const engine = engines.find((candidate) => candidate.name === name);
  if (!engine) throw new RangeError(`no forward mode ${name}`);
  return engine;
}
