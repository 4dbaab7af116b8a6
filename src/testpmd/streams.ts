// SPDX-License-Identifier: BSD-3-Clause
// Which queue feeds which, and on which lcore: testpmd's rules for one and for several queues.
import type { Topology } from './settings.ts';

/** One RX queue joined to one TX queue; ports by id. */
export interface Stream {
  readonly rxPort: number;
  readonly rxQueue: number;
  readonly txPort: number;
  readonly txQueue: number;
}

export interface LcoreStreams {
  readonly lcore: number;
  readonly streams: readonly Stream[];
}

/** The port that forwards what `ports[index]` receives; with pairs, the last of an odd number pairs with itself. */
export function txPeer(ports: readonly number[], index: number, topology: Topology): number {
  if (topology === 'loop') return ports[index];
  if (topology === 'chained') return ports[(index + 1) % ports.length];
  return ports[index ^ 1] ?? ports[index];
}

/** Streams of all ports, queue 0 of each port first, as testpmd orders them. */
export function makeStreams(ports: readonly number[], queues: number, topology: Topology): Stream[] {
  return Array.from({ length: queues }, (_, queue) =>
    ports.map((rxPort, index) => ({
      rxPort,
      rxQueue: queue,
      txPort: txPeer(ports, index, topology),
      txQueue: queue,
    })),
  ).flat();
}

/** Shares streams out to lcores in equal runs; the last lcores take one more when they do not divide. */
export function assignStreams(streams: readonly Stream[], lcores: readonly number[]): LcoreStreams[] {
  const count = Math.min(lcores.length, streams.length);
  const share = Math.floor(streams.length / Math.max(1, count));
  const extra = streams.length - share * count;
  let from = 0;
  return lcores.slice(0, count).map((lcore, i) => {
    const to = from + share + (i >= count - extra ? 1 : 0);
    const mine = streams.slice(from, to);
    from = to;
    return { lcore, streams: mine };
  });
}
