// SPDX-License-Identifier: BSD-3-Clause
// Maps RX queues to TX queues and lcores by testpmd's rules, for one and for several queues.
import type { Topology } from './settings.ts';

/** Forwarding from one RX queue to one TX queue; ports by id. */
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

/**
 * The port that sends what `ports[index]` receives. In paired topology, the last of an odd number of ports
 * pairs with itself.
 */
export function txPeer(ports: readonly number[], index: number, topology: Topology): number {
  if (topology === 'loop') return ports[index];
  if (topology === 'chained') return ports[(index + 1) % ports.length];
  return ports[index ^ 1] ?? ports[index];
}

/** Streams of all ports in testpmd's order: queue 0 of every port first. */
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

/**
 * Assigns streams to lcores in contiguous runs of equal length; the last lcores take one more each if there
 * is a remainder.
 */
export function assignStreams(
  streams: readonly Stream[],
  lcores: readonly number[],
  shared: (stream: Stream) => readonly string[] = () => [],
): LcoreStreams[] {
  if (streams.some((stream) => shared(stream).length > 0)) return assignGroups(streams, lcores, shared);
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

/** Streams that share something are on one lcore; groups take turns. */
function assignGroups(
  streams: readonly Stream[],
  lcores: readonly number[],
  shared: (stream: Stream) => readonly string[],
): LcoreStreams[] {
  let groups: { names: Set<string>; streams: Stream[] }[] = [];
  for (const stream of streams) {
    const names = new Set(shared(stream));
    const joined = groups.filter((group) => [...names].some((name) => group.names.has(name)));
    const first = joined[0] ?? { names: new Set<string>(), streams: [] };
    if (joined.length === 0) groups.push(first);
    for (const name of names) first.names.add(name);
    for (const group of joined.slice(1)) {
      for (const name of group.names) first.names.add(name);
      first.streams.push(...group.streams);
    }
    first.streams.push(stream);
    groups = groups.filter((group) => !joined.slice(1).includes(group));
  }
  const count = Math.min(lcores.length, groups.length);
  return lcores.slice(0, count).map((lcore, i) => ({
    lcore,
    streams: groups.filter((_, g) => g % count === i).flatMap((group) => group.streams),
  }));
}
