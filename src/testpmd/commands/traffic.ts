// SPDX-License-Identifier: BSD-3-Clause
// The `set` commands about the packets of txonly and flowgen. Each has an effect at once, also while
// packets are forwarded.

import { type TrafficPlan, TX_SPLITS, type TxSplit } from '../fwd/traffic.ts';
import { variationFault } from '../fwd/tx-frames.ts';
import { txSegmentsFault } from '../options.ts';
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

export const trafficCommands: readonly Command<Session>[] = [
  {
    pattern: 'set txpkts lengths=<list>',
    section,
    help: 'Set the length of each segment of TXONLY packets; of FLOWGEN, the length of packets.',
    run: setTxpkts,
  },
  {
    pattern: 'set txsplit mode=<text>',
    section,
    help: 'Packets of TXONLY have all segments of set txpkts (off, on), or a random number (rand).',
    run: setTxsplit,
  },
  {
    pattern: 'set txtimes times=<list>',
    section,
    help: 'Nanoseconds from burst to burst of TXONLY, and from packet to packet: INTER,INTRA; 0,0: none.',
    run: setTxtimes,
  },
  {
    pattern: 'set txonly-flows n=<u16>',
    section,
    help: 'Set the number of flows of TXONLY with --txonly-multi-flow.',
    run: setTxonlyFlows,
  },
];

async function setTxpkts(session: Session, { lengths }: Args): Promise<void> {
  const { settings, output, forwarding } = session;
  const segments = lengths.split(',').map(Number);
  const fault = txSegmentsFault(settings, segments) ?? runningFault(session, settings.traffic, segments);
  if (fault !== null) {
    output.complain(fault);
    return;
  }
  settings.txSegments = segments;
  await forwarding.apply();
}

async function setTxsplit(session: Session, { mode }: Args): Promise<void> {
  if (!TX_SPLITS.includes(mode as TxSplit)) session.output.complain(`unknown value: "${mode}"`);
  else await change(session, { split: mode as TxSplit });
}

async function setTxtimes(session: Session, { times }: Args): Promise<void> {
  const [interBurst = 0, intraBurst, ...more] = times.split(',').map(Number);
  if (more.length > 0) session.output.complain(`Number of tx times = ${more.length + 2} > 2 (maximum items)`);
  else if (intraBurst === undefined) session.output.complain('Number of tx times = 1 < 2');
  else await change(session, { interBurst, intraBurst });
}

async function setTxonlyFlows(session: Session, { n }: Args): Promise<void> {
  const flows = Number(n);
  if (flows < 1 || flows > 64) {
    session.output.complain('txonly-flows must be >= 1 and <= 64');
    return;
  }
  if (!session.settings.traffic.multiFlow)
    session.output.complain('Note: txonly has one flow without the option --txonly-multi-flow');
  await change(session, { flows });
}

async function change(session: Session, changes: Partial<TrafficPlan>): Promise<void> {
  const { settings, output, forwarding } = session;
  const fault = runningFault(session, { ...settings.traffic, ...changes }, settings.txSegments);
  if (fault !== null) {
    output.complain(fault);
    return;
  }
  Object.assign(settings.traffic, changes);
  await forwarding.apply();
}

/** What `start` would refuse is refused at once while txonly runs. */
function runningFault(session: Session, traffic: TrafficPlan, lengths: readonly number[]): string | null {
  const { forwarding, settings } = session;
  return forwarding.running && settings.mode === 'txonly' ? variationFault(traffic, lengths) : null;
}
