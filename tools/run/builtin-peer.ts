// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-peer as a process that reports in JSON and ends with its back-end.
import type { Latency, LatencyBucket } from '../peer/latency.ts';
import type { PeerStats } from '../peer/stats.ts';
import type { PeerMode } from '../peer/traffic-loop.ts';
import { Child } from './child.ts';
import { onCpu, ourProgram } from './programs.ts';

export interface PeerProcessOptions {
  /** The back-end's socket. */
  readonly vhostUser: string;
  readonly mode: PeerMode;
  /** CPU of its poll loop. */
  readonly cpu: number;
  /** Its other threads run on that CPU, too. */
  readonly allThreadsThere?: boolean;
  /** Bytes of a frame, FCS not counted. */
  readonly frameSize: number;
  readonly burst: number;
  readonly queues?: number;
  /** Entries of each ring. */
  readonly queueSize?: number;
  readonly packed?: boolean;
  readonly hugepages?: boolean;
  /** Sequence and checksum of what it receives are checked; true. */
  readonly check?: boolean;
  /** Seconds between reports; none before the last one when left out. */
  readonly statsPeriod?: number;
  /** Mode 'latency': frames a second, and as on the peer's command line. */
  readonly rate?: number;
  readonly warmUp?: number;
  readonly ownStall?: number;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** One line of --json: totals; in a period's report the seconds since the one before, in the last one what only the end shows. */
export interface PeerReport extends Readonly<PeerStats> {
  readonly final?: true;
  readonly seconds?: number;
  readonly latency?: Latency | null;
  readonly latencyBuckets?: readonly LatencyBucket[];
}

export class PeerProcess extends Child {
  /** Reports of periods so far. */
  readonly reports: PeerReport[] = [];
  /** The last report, once it has ended by itself. */
  final: PeerReport | undefined;

  constructor(options: PeerProcessOptions) {
    super({ name: 'vhost-pci-peer', command: commandLine(options), maxRunMs: options.maxRunMs });
    this.onLine((line) => {
      const report = parseReport(line);
      if (report?.final) this.final = report;
      else if (report) this.reports.push(report);
    });
  }

  /** Waits until it has its rings in the back-end's hands; it reports that on stderr. */
  up(ms: number): Promise<void> {
    return this.until(() => this.errors.includes('is up'), ms, 'its connection');
  }

  /** Waits until there are at least `count` reports. */
  reported(count: number, ms: number): Promise<void> {
    return this.until(() => this.reports.length >= count, ms, 'its statistics');
  }

  /** Ends it; the totals. Throws what it printed when there are none. */
  async finish(): Promise<PeerReport> {
    await this.stop();
    if (!this.final) throw this.failure(`ended (${this.exit}) without its totals`);
    return this.final;
  }
}

/** Undefined for a line that is no report. */
export function parseReport(line: string): PeerReport | undefined {
  return line.startsWith('{') ? (JSON.parse(line) as PeerReport) : undefined;
}

function commandLine(options: PeerProcessOptions): string[] {
  const given = (name: string, value: number | undefined) => (value === undefined ? [] : [name, `${value}`]);
  return [
    ...(options.allThreadsThere ? onCpu(options.cpu) : []),
    ...ourProgram('vhost-pci-peer'),
    ...['--vhost-user', options.vhostUser, '--mode', options.mode, '--cpu', `${options.cpu}`],
    ...['--size', `${options.frameSize}`, '--burst', `${options.burst}`],
    ...given('--queues', options.queues),
    ...given('--queue-size', options.queueSize),
    ...given('--stats-period', options.statsPeriod),
    ...given('--rate', options.rate),
    ...given('--warm-up', options.warmUp),
    ...given('--own-stall', options.ownStall),
    ...(options.packed ? ['--packed'] : []),
    ...(options.hugepages ? ['--hugepages'] : []),
    ...(options.check === false ? ['--no-check'] : []),
    ...['--no-reconnect', '--json'],
  ];
}
