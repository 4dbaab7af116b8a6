// SPDX-License-Identifier: BSD-3-Clause
// Parses testpmd's output, DPDK's or ours: both print the same blocks.

/** Counters of one block. */
export interface TestpmdStatistics {
  /**
   * 'port': from "show port stats", since the port was started; 'forward': from the summary printed when
   * forwarding stops, since forwarding started; 'total': from the same summary, all ports together.
   */
  readonly kind: 'port' | 'forward' | 'total';
  /** Undefined for 'total'. */
  readonly port: number | undefined;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxErrors: number;
  /** Packets that forwarding dropped because they could not be sent; 0 for 'port'. */
  readonly txDropped: number;
  /** Packets per second since the port was last shown; 0 unless 'port'. */
  readonly rxPps: number;
  readonly txPps: number;
}

/** Packets per second. */
export interface Rates {
  readonly rxPps: number;
  readonly txPps: number;
}

/** A title between two borders, lines of counters, and a closing border. */
const BLOCK =
  /^ +[#+-]{10,} *(NIC|Forward|Accumulated forward) statistics for (?:port (\d+)|all ports) *[#+-]{10,}\r?\n([\s\S]*?\n) +[#+-]{30,}$/gm;
const KINDS = { NIC: 'port', Forward: 'forward', 'Accumulated forward': 'total' } as const;

/** All complete blocks, in the order in which they were printed. */
export function statisticsIn(output: string): TestpmdStatistics[] {
  return [...output.matchAll(BLOCK)].map(([, title, port, lines = '']) => {
    const counters = new Map(
      [...lines.matchAll(/([A-Za-z-]+): +(\d+)/g)].map(([, key, n]) => [key, Number(n)]),
    );
    const counter = (name: string): number => counters.get(name) ?? 0;
    return {
      kind: KINDS[title as keyof typeof KINDS],
      port: port === undefined ? undefined : Number(port),
      rxPackets: counter('RX-packets'),
      txPackets: counter('TX-packets'),
      rxErrors: counter('RX-errors'),
      txDropped: counter('TX-dropped'),
      rxPps: counter('Rx-pps'),
      txPps: counter('Tx-pps'),
    };
  });
}

/** The latest counters of a port, from "show port stats" or the summary; undefined before the first block. */
export const latestOf = (output: string, port: number): TestpmdStatistics | undefined =>
  statisticsIn(output).findLast((block) => block.port === port);

/** The summary of all ports, printed when forwarding stops. */
export const totalIn = (output: string): TestpmdStatistics | undefined =>
  statisticsIn(output).findLast(({ kind }) => kind === 'total');

/** The sum over several ports. */
export const sumOf = (ports: readonly Rates[]): Rates => ({
  rxPps: ports.reduce((sum, { rxPps }) => sum + rxPps, 0),
  txPps: ports.reduce((sum, { txPps }) => sum + txPps, 0),
});

/** What testpmd prints when it starts to forward. */
export const forwardsOn = (ports: number): RegExp => new RegExp(`packet forwarding - ports=${ports} `);

/**
 * From "CPU cycles/packet=120.00 (…)", printed at the end with --record-core-cycles; undefined when no packet
 * moved.
 */
export function cyclesPerPacket(output: string): number | undefined {
  const found = /CPU cycles\/packet=(\d+(?:\.\d+)?)/.exec(output);
  return found ? Number(found[1]) : undefined;
}

/** "22.11.7" from "EAL: RTE Version: 'DPDK 22.11.7'", which -v prints. */
export function dpdkVersion(output: string): string | undefined {
  return /RTE Version: 'DPDK ([^']+)'/.exec(output)?.[1];
}
