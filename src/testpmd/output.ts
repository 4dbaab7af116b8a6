// SPDX-License-Identifier: BSD-3-Clause
// Where text goes: results to stdout, complaints to stderr, as testpmd does.

export interface Output {
  print(line: string): void;
  complain(line: string): void;
  /** Text of an event that comes between commands: whoever shows a prompt shows it again after it. */
  event(line: string): void;
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
}
