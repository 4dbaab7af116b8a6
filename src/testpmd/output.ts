// SPDX-License-Identifier: BSD-3-Clause
// Terminal output: results go to stdout and errors to stderr, as in testpmd. Never through process.stdout or
// process.stderr, which block the main thread while the reader does not read.
import { isatty } from 'node:tty';
import { standardOutput } from '../output/text-writer.ts';

export interface Output {
  print(line: string): void;
  complain(line: string): void;
  /** Text of an event that occurs between commands; a prompt is shown again after it. */
  event(line: string): void;
  /** Resolves once the reader has consumed enough of the output for more to be printed. */
  room(): Promise<void>;
}

/** Bytes that may be pending when the next command runs: far below the limit at which output is dropped. */
const ROOM = 1 << 16;
/** How long exit waits for a terminal that accepts no output. */
const HELD_MS = 1000;
/** How long the prompt waits for errors that nobody reads. */
const UNREAD_MS = 100;

export class TerminalOutput implements Output {
  /** Called after the text of an event. */
  afterEvent: () => void = () => {};
  readonly #stdout = standardOutput().stdout;
  readonly #stderr = standardOutput().stderr;

  /** Writes text without a newline. */
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

  /** Resolves once errors are out: where results take a pipe (`| tee`), they would come after the prompt. */
  async complained(): Promise<void> {
    if (!this.#stderr.precedes(this.#stdout)) await this.#stderr.settled(0, UNREAD_MS);
  }

  room(): Promise<void> {
    return this.#stdout.settled(ROOM);
  }

  /**
   * Resolves once the reader has consumed everything or is gone. The wait for a terminal that accepts no
   * output (flow control) is bounded.
   */
  settled(): Promise<void> {
    return this.#stdout.settled(0, isatty(1) ? HELD_MS : undefined);
  }
}
