// SPDX-License-Identifier: BSD-3-Clause
// Where text goes: results to stdout, complaints to stderr, as testpmd does.
import { once } from 'node:events';

export interface Output {
  print(line: string): void;
  complain(line: string): void;
  /** Text of an event that comes between commands: whoever shows a prompt shows it again after it. */
  event(line: string): void;
  /** Resolves once the reader has taken enough of what was printed that more makes sense. */
  room(): Promise<void>;
}

export class TerminalOutput implements Output {
  /** Called after an event's text. */
  afterEvent: () => void = () => {};

  print(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  complain(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  event(line: string): void {
    this.print(line);
    this.afterEvent();
  }

  async room(): Promise<void> {
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  }
}
