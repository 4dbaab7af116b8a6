// SPDX-License-Identifier: BSD-3-Clause
// Typed lines that change rates and streams: "rate 2mpps", "rate voice 10kpps", "stop voice", "start",
// "quit".
import { createInterface } from 'node:readline';
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

/** --control: obeys the lines of standard input until close(); one that is wrong is a line on stderr. */
export class ControlInput {
  readonly #lines = createInterface({ input: process.stdin, terminal: false });

  constructor(control: RateControl, interrupt: Interrupt) {
    const complain = (error: Error) => tell(oneLine(`vhost-pci-pktgen: ${error.message}`));
    // A directory, or a terminal that is gone: the run goes on without commands.
    process.stdin.on('error', (error) => complain(new Error(`--control: ${error.message}`)));
    this.#lines.on('line', (line) => {
      try {
        obey(line, control, interrupt);
      } catch (error) {
        complain(error as Error);
      }
    });
  }

  close(): void {
    this.#lines.close();
    process.stdin.pause();
  }
}
