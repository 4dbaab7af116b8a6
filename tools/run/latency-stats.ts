// SPDX-License-Identifier: BSD-3-Clause
// What DPDK's testpmd measures with --latencystats, by the telemetry protocol before version 2, the only one
// that has it: a client names a socket of its own, and DPDK connects back to it.
import { native } from '../../src/native.ts';
import type { DpdkTestpmd } from './dpdk-testpmd.ts';
import type { Workspace } from './workspace.ts';

const ANSWER_MS = 2000;
const MAX_ANSWER = 100_000;
const NS_PER_SECOND = 1e9;
/** Until this version a nanosecond had a whole number of cycles, 2 where it should be 2.2. */
const EXACT_SINCE = 24.07;

export interface LatencyStats {
  readonly minNs: number;
  /** Of the last frames: each moves it by a fifth of the difference. */
  readonly avgNs: number;
  readonly maxNs: number;
  readonly jitterNs: number;
}

export class LatencyStatsClient {
  readonly #server: number;
  readonly #answers: number;
  readonly #factor: number;

  /** Throws if testpmd has no such socket, or does not connect back. */
  constructor(testpmd: DpdkTestpmd, { folder, path }: Pick<Workspace, 'folder'> & { path: string }) {
    this.#factor = factorOf(testpmd.version, native.tscHz());
    const listening = native.unixListen(path, undefined, true);
    try {
      this.#server = native.unixConnect(`${folder}/dpdk/${testpmd.filePrefix}/telemetry`, true);
      try {
        ask(this.#server, { action: 1, command: 'clients', data: { client_path: path } });
        native.pollFd(listening, 'in', ANSWER_MS);
        this.#answers = native.unixAccept(listening);
        if (this.#answers < 0) throw testpmd.failure('did not answer at its telemetry socket');
      } catch (error) {
        native.close(this.#server);
        throw error;
      }
    } finally {
      native.close(listening);
    }
  }

  /** Undefined before a frame has been measured. */
  read(): LatencyStats | undefined {
    ask(this.#answers, { action: 0, command: 'global_stat_values', data: null });
    native.pollFd(this.#answers, 'in', ANSWER_MS);
    const into = Buffer.alloc(MAX_ANSWER);
    const bytes = native.receiveMessage(this.#answers, into, 0)?.bytes ?? 0;
    return statsIn(into.toString('utf8', 0, bytes), this.#factor);
  }

  close(): void {
    for (const fd of [this.#answers, this.#server]) native.close(fd);
  }
}

const ask = (fd: number, message: object): number =>
  native.sendMessage(fd, Buffer.from(JSON.stringify(message)), []);

/** What its nanoseconds are to be multiplied by. */
export function factorOf(version: string | undefined, hz: number): number {
  const cycles = hz / NS_PER_SECOND;
  return Number.parseFloat(version ?? '0') < EXACT_SINCE && cycles >= 1 ? Math.floor(cycles) / cycles : 1;
}

/** From an answer; undefined if it has none. */
export function statsIn(answer: string, factor: number): LatencyStats | undefined {
  const value = (name: string) =>
    Number(new RegExp(`"${name}_ns",\\s*"value":\\s*(\\d+)`).exec(answer)?.[1] ?? 0);
  const [minNs, avgNs, maxNs, jitterNs] = ['min_latency', 'avg_latency', 'max_latency', 'jitter'].map(
    (name) => factor * value(name),
  ) as [number, number, number, number];
  return maxNs > 0 ? { minNs, avgNs, maxNs, jitterNs } : undefined;
}
