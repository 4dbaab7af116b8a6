// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-peer as a process that reports in JSON and exits when its back-end does.
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
  /** Its other threads run on that CPU as well. */
  readonly allThreadsThere?: boolean;
  /** Bytes of a frame, FCS not counted. */
  readonly frameSize: number;
  readonly burst: number;
  readonly queues?: number;
  /** Entries of each ring. */
  readonly queueSize?: number;
  readonly packed?: boolean;
  readonly hugepages?: boolean;
  /** Check the sequence and checksum of received frames; true. */
  readonly check?: boolean;
  /** Mode 'both': send so many frames, wait until they are back, and exit. */
  readonly count?: number;
  /** Mode 'both': most frames that are out at a time. */
  readonly window?: number;
  /** Seconds between reports; when left out, only the final report is printed. */
  readonly statsPeriod?: number;
  /** Mode 'latency': frames per second; warm-up and own stall as on the peer's command line. */
  readonly rate?: number;
  readonly warmUp?: number;
  readonly ownStall?: number;
  /** Mode 'echo': frames per second above which it drops. */
  readonly dropAbove?: number;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/**
 * One line of --json. The counters are totals. A periodic report also has the seconds since the previous one;
 * the final report has the fields that are known only at the end.
 */
export interface PeerReport extends Readonly<PeerStats> {
  readonly final?: true;
  readonly seconds?: number;
  readonly latency?: Latency | null;
  readonly latencyBuckets?: readonly LatencyBucket[];
}

export class PeerProcess extends Child {
  /** Periodic reports so far. */
  readonly reports: PeerReport[] = [];
  /** The final report, once the process has exited by itself. */
  final: PeerReport | undefined;

  constructor(options: PeerProcessOptions) {
    super({ name: 'vhost-pci-peer', command: commandLine(options), maxRunMs: options.maxRunMs });
    this.onLine((line) => {
      const report = parseReport(line);
      if (report?.final) this.final = report;
      else if (report) this.reports.push(report);
    });
  }

  /** Waits until its rings have been handed to the back-end; the peer reports that on stderr. */
  up(ms: number): Promise<void> {
    return this.until(() => this.errors.includes('is up'), ms, 'its connection');
  }

  /** Waits until there are at least `count` reports. */
  reported(count: number, ms: number): Promise<void> {
    return this.until(() => this.reports.length >= count, ms, 'its statistics');
  }

  /** Stops it and returns the totals. If there are none, throws an error that quotes its last message. */
  async finish(): Promise<PeerReport> {
    await this.stop();
    if (!this.final) throw this.failure(`ended (${this.exit}) without printing its totals`);
    return this.final;
  }
}

/** Undefined for a line that is not a report. */
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
    ...given('--count', options.count),
    ...given('--window', options.window),
    ...given('--rate', options.rate),
    ...given('--warm-up', options.warmUp),
    ...given('--own-stall', options.ownStall),
    ...given('--drop-above', options.dropAbove),
    ...(options.packed ? ['--packed'] : []),
    ...(options.hugepages ? ['--hugepages'] : []),
    ...(options.check === false ? ['--no-check'] : []),
    ...['--no-reconnect', '--json'],
  ];
}
