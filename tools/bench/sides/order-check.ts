// SPDX-License-Identifier: BSD-3-Clause
// Before a path's rate is worth anything: numbered frames go through it and come back, each one once and in
// order. Few are out at a time, so that no ring overflows and a lost frame is the path's fault.
import { PmdError } from '../../../src/errors.ts';
import { PeerProcess } from '../../run/builtin-peer.ts';
import { stopAll } from '../../run/workspace.ts';
import { runBoundMs, type Settings, START_MS } from '../settings.ts';
import type { BackEnd } from './back-ends.ts';

const FRAMES = 30_000;
const WINDOW = 128;

export interface OrderCheck {
  readonly path: string;
  readonly frames: number;
}

/**
 * A path with two ports has a guest at the second that sends everything back. Throws VPCI_CHECK when a frame
 * is lost, changed or out of order, and VPCI_CHILD when a part of the path has ended.
 */
export async function checkOrder(
  path: string,
  backEnd: BackEnd,
  settings: Settings,
  size: number,
): Promise<OrderCheck> {
  const common = { frameSize: size, burst: 32, cpu: settings.peerCpu, hugepages: settings.hugepages };
  const peers: PeerProcess[] = [];
  const start = (vhostUser: string | undefined, mode: 'both' | 'echo') => {
    const peer = new PeerProcess({
      ...{ ...common, vhostUser: `${vhostUser}`, mode, maxRunMs: runBoundMs(settings) },
      ...(mode === 'both' ? { count: FRAMES, window: WINDOW } : {}),
    });
    peers.push(peer);
    return peer;
  };
  const check = async (): Promise<OrderCheck> => {
    const [first, second] = backEnd.sockets;
    if (second !== undefined) await backEnd.watch.add(start(second, 'echo')).up(START_MS);
    // Not watched: it is done when it ends.
    const sender = start(first, 'both');
    if (!(await sender.ended(START_MS))) throw sender.failure('did not get all its frames back');
    const { rxPackets, outOfSequence, badChecksum, badFrame, missing } = await sender.finish();
    if (sender.exit === 0 && rxPackets === FRAMES && outOfSequence + badChecksum + badFrame + missing === 0)
      return { path, frames: FRAMES };
    const faults = `${missing} lost, ${outOfSequence} out of order, ${badChecksum + badFrame} changed`;
    throw new PmdError('VPCI_CHECK', `${path}: of ${FRAMES} frames ${faults}`);
  };
  try {
    await backEnd.start();
    return await backEnd.watch.during(check);
  } finally {
    await stopAll([...peers, backEnd]);
  }
}
