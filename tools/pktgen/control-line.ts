// SPDX-License-Identifier: BSD-3-Clause
// Typed lines that change rates and streams: "rate 2mpps", "rate voice 10kpps", "stop voice", "start",
// "quit".
import { oneLine } from '../../src/errors.ts';
import { tell } from '../run/output.ts';
import type { Interrupt } from './interrupt.ts';
import { fault } from './plan/fault.ts';
import type { RateControl } from './rate-control.ts';

const COMMANDS = 'rate [STREAM] RATE, stop [STREAM], start [STREAM], quit';

/** Throws one line that names what is wrong. An empty line does nothing. */
export function obey(line: string, control: RateControl, interrupt: Interrupt): void {
  const [command = '', ...words] = line.trim().split(/\s+/);
  const stream = (name: readonly string[]) => (name.length === 0 ? undefined : control.find(name.join(' ')));
  if (command === 'rate') {
    const rate = words.at(-1);
    if (rate === undefined) throw fault('rate', `it needs one: ${COMMANDS}`);
    control.setRate(rate, stream(words.slice(0, -1)));
  } else if (command === 'stop') control.stop(stream(words));
  else if (command === 'start') control.start(stream(words));
  else if (command === 'quit' && words.length === 0) interrupt.raise();
  else if (command !== '') throw fault(`'${line.trim()}'`, `no command: ${COMMANDS}`);
}

/** Longest line that is read; no command is nearly as long. */
const LONGEST_LINE = 1000;

/**
 * --control: obeys the lines of standard input until close(); one that is wrong is a line on stderr. A line
 * without an end, as of /dev/zero, ends the reading, and not the run.
 */
export class ControlInput {
  readonly #control: RateControl;
  readonly #interrupt: Interrupt;
  /** Of a line whose end has not come. */
  #begun = '';

  readonly #take = (text: string): void => {
    const lines = (this.#begun + text).split('\n');
    this.#begun = lines.pop() as string;
    const tooLong = [...lines, this.#begun].findIndex(({ length }) => length > LONGEST_LINE);
    for (const line of tooLong < 0 ? lines : lines.slice(0, tooLong)) this.#obey(line);
    if (tooLong < 0) return;
    complain(`--control: a line of more than ${LONGEST_LINE} characters; nothing more is read`);
    this.#begun = '';
    this.close();
  };
  readonly #end = (): void => this.#take('\n');
  // No standard input to read, or a terminal that is gone: the run goes on without commands.
  readonly #fail = ({ message }: Error): void => complain(`--control: ${message}`);

  constructor(control: RateControl, interrupt: Interrupt) {
    this.#control = control;
    this.#interrupt = interrupt;
    process.stdin.setEncoding('utf8').on('error', this.#fail).on('end', this.#end).on('data', this.#take);
  }

  #obey(line: string): void {
    try {
      obey(line, this.#control, this.#interrupt);
    } catch (error) {
      complain((error as Error).message);
    }
  }

  close(): void {
    process.stdin.off('data', this.#take).off('end', this.#end).pause();
  }
}

const complain = (fault: string): void => tell(oneLine(`vhost-pci-pktgen: ${fault}`));
