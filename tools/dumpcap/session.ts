// SPDX-License-Identifier: BSD-3-Clause
// A capture from its beginning to its end: until a condition holds, a signal arrives, or the process that is
// captured ends.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { standardOutput } from '../../src/output/text-writer.ts';
import { isInterrupt, type PdumpConnection } from '../../src/pdump/connection.ts';
import { Drain, type Source } from '../../src/pdump/drain.ts';
import type { Counted } from '../../src/pdump/protocol.ts';
import { sourcesOf } from './capture.ts';
import type { Interface } from './interfaces.ts';
import { elapsed, filled, reached } from './limits.ts';
import type { DumpcapOptions } from './options.ts';
import { Output } from './output.ts';

/** Packets between two looks at signals and the time. */
const TURN = 4096;
/** While nothing arrives. */
const IDLE_MS = 2;
/** Between two looks whether the process still has the ports. */
const STATUS_MS = 500;
/** Between two lines of a count on a terminal. */
const COUNT_MS = 200;
/** How long a poll loop may take to notice that a capture has ended. */
const STOP_TRIES = 1000;

const NO_COUNTS: Counted = { counts: { accepted: 0, filtered: 0, dropped: 0 } };

export class Session {
  readonly #connection: PdumpConnection;
  readonly #interfaces: readonly Interface[];
  readonly #options: DumpcapOptions;
  readonly #sources: readonly Source[];
  readonly #output: Output;
  readonly #began = performance.now();
  #packets = 0;
  #stopping = false;
  #gone = false;
  #statusAt = 0;
  #countAt = 0;

  constructor(connection: PdumpConnection, interfaces: readonly Interface[], options: DumpcapOptions) {
    this.#connection = connection;
    this.#interfaces = interfaces;
    this.#options = options;
    const { packets } = options;
    // Before a file is made: one that is there stays if the process refuses.
    this.#sources = interfaces.flatMap((one, id) => sourcesOf(connection, one, id, packets));
    this.#output = this.#newOutput();
  }

  /** From a signal: ends `run` soon. */
  stop(): void {
    this.#stopping = true;
  }

  /** Captures until the end; the promise is rejected if the output cannot be written. */
  async run(): Promise<void> {
    this.#say(`Capturing on ${listOf(this.#interfaces.map(({ port }) => `'${port.name}'`))}`);
    const drain = new Drain(this.#sources, (header, bytes) => {
      this.#output.write(header, bytes);
      this.#packets++;
    });
    while (!this.#isOver()) {
      const taken = drain.run(TURN, this.#isWanted);
      this.#showCount();
      if (taken > 0) {
        await nextTurn();
        continue;
      }
      this.#output.flush();
      await sleep(IDLE_MS);
      this.#checkProcess();
    }
    await this.#finish(drain);
  }

  /** Whether -c and -a, but for time, let a further packet be written. */
  readonly #isWanted = (): boolean => {
    const { packets, filesize, files } = this.#options.autostop;
    const isFull = this.#output.isFull();
    return !(
      reached(packets, this.#packets) ||
      filled(filesize, this.#output.bytes) ||
      (isFull && reached(files, this.#output.files))
    );
  };

  #isOver(): boolean {
    const { duration } = this.#options.autostop;
    return this.#stopping || this.#gone || elapsed(duration, this.#began) || !this.#isWanted();
  }

  #checkProcess(): void {
    const now = performance.now();
    if (now < this.#statusAt) return;
    this.#statusAt = now + STATUS_MS;
    try {
      this.#gone = this.#interfaces.some(({ port }) => this.#connection.status(port.id).gone);
      if (this.#gone) this.#say('A captured port is gone, exiting...');
    } catch (error) {
      this.#gone = true;
      if (!isInterrupt(error)) this.#say('Primary process is no longer active, exiting...');
    }
  }

  /** Ends the capture in the process, writes what is left in the rings, and tells what was lost. */
  async #finish(drain: Drain): Promise<void> {
    const counted: Counted[] = [];
    for (const { port } of this.#interfaces) counted.push(await this.#stopPort(port.id));
    while (drain.run(TURN, this.#isWanted) > 0);
    const counts = counted.map(({ counts: { accepted, filtered, dropped } }) => ({
      received: accepted + filtered,
      dropped,
    }));
    this.#output.end(counts);
    if (this.#options.quiet) return;
    this.#say(`Packets captured: ${this.#packets}`);
    this.#interfaces.forEach(({ port }, i) => {
      const { received, dropped } = counts[i] as (typeof counts)[number];
      const percent = received === 0 ? 0 : (100 * received) / (received + dropped);
      this.#say(
        `Packets received/dropped on interface '${port.name}': ${received}/${dropped} (${percent.toFixed(1)})`,
      );
    });
  }

  async #stopPort(id: number): Promise<Counted> {
    try {
      let counted = this.#connection.stop(id);
      for (let tries = 0; counted.busy && tries < STOP_TRIES; tries++) {
        await sleep(1);
        counted = this.#connection.stop(id);
      }
      return counted;
    } catch {
      return NO_COUNTS;
    }
  }

  #showCount(): void {
    if (this.#options.quiet || !process.stderr.isTTY || performance.now() < this.#countAt) return;
    this.#countAt = performance.now() + COUNT_MS;
    standardOutput().stderr.write(`\rPackets captured: ${this.#packets} `);
  }

  #newOutput(): Output {
    const { ring, output, groupRead, pcapng, comment, tempDir } = this.#options;
    const [first] = this.#interfaces;
    return new Output({
      ring,
      output,
      groupRead,
      pcapng,
      tempDir,
      ...(comment === undefined ? {} : { comment }),
      port: (first as Interface).port,
      snaplen: Math.max(...this.#interfaces.map(({ snaplen }) => snaplen)),
      interfaces: this.#interfaces.map(({ ifname, ifdescr, filter, port }) => ({
        name: ifname ?? port.name,
        ...(ifdescr === undefined ? {} : { description: ifdescr }),
        ...(filter === '' ? {} : { filter }),
      })),
      onFile: (path) => this.#say(`File: ${path}`),
    });
  }

  /** All that is not the capture itself goes to stderr: stdout may be the capture. */
  #say(line: string): void {
    standardOutput().stderr.line(line);
  }
}

/** "'a'", "'a' and 'b'", "'a', 'b', and 'c'". */
function listOf(names: readonly string[]): string {
  if (names.length < 3) return names.join(' and ');
  return `${names.slice(0, -1).join(', ')}, and ${names.at(-1)}`;
}
