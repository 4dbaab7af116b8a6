// SPDX-License-Identifier: BSD-3-Clause
// Where text goes: results to stdout, complaints to stderr, as testpmd does. Never by process.stdout or process.stderr, which hold the main
// thread while nobody reads.
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { standardOutput } from '../output/text-writer.ts';

export interface Output {
  print(line: string): void;
  complain(line: string): void;
  /** Text of an event that comes between commands: whoever shows a prompt shows it again after it. */
  event(line: string): void;
  /** Resolves once the reader has taken enough of what was printed that more makes sense. */
  room(): Promise<void>;
}

/** Bytes that may wait for the reader when the next command runs: far from what is lost. */
const ROOM = 1 << 16;
/** How long an end waits for a terminal that takes nothing. */
const HELD_MS = 1000;

export class TerminalOutput implements Output {
  /** Called after an event's text. */
  afterEvent: () => void = () => {};
  readonly #stdout = standardOutput().stdout;
  readonly #stderr = standardOutput().stderr;

  /** Text without an end of line. */
  write(text: string): void {
    this.#stdout.write(text);
  }

  print(line: string): void {
    this.#stdout.line(line);
  }

  complain(line: string): void {
    this.#stderr.line(line);
  }

  event(line: string): void {
    this.print(line);
    this.afterEvent();
  }

  room(): Promise<void> {
    return this.#stdout.settled(ROOM);
  }

  /** Resolves once the reader has everything, or is gone. A terminal that takes nothing is held: that ends the wait. */
  settled(): Promise<void> {
    return this.#stdout.settled(0, isatty(1) ? HELD_MS : undefined);
  }

  /** For the line editor: what it echoes takes the same way. */
  terminal(): Writable {
    const stream = new Writable({
      decodeStrings: false,
      write: (text: string | Buffer, _encoding, done) => {
        this.write(String(text));
        done();
      },
    });
    // Node's own stream of the terminal knows its size, and is never written.
    const own = process.stdout;
    own.on('resize', () => stream.emit('resize'));
    return Object.defineProperties(stream, {
      columns: { get: () => own.columns },
      rows: { get: () => own.rows },
    });
  }
}
