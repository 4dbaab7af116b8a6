// SPDX-License-Identifier: BSD-3-Clause
// A program whose stdout and stderr are a terminal (in a session: its controlling one) or a pipe that is not
// read until the test requests it.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fed } from './fed.ts';
import { until } from './wait.ts';

const SCRIPT = fileURLToPath(new URL('./held-output.py', import.meta.url));

export class HeldOutput {
  readonly #python: ChildProcess;
  #status = '';
  /** The output read so far. */
  output = '';

  constructor(kind: 'terminal' | 'session' | 'pipe', command: readonly string[]) {
    this.#python = fed(spawn('python3', [SCRIPT, kind, ...command]));
    this.#python.stdout?.on('data', (data) => {
      this.output += data;
    });
    this.#python.stderr?.on('data', (data) => {
      this.#status += data;
    });
  }

  /** Process id of the program. */
  async pid(): Promise<number> {
    await until('it has started', () => /pid \d+/.test(this.#status));
    return Number(/pid (\d+)/.exec(this.#status)?.[1]);
  }

  /** Starts reading the output. */
  read(): void {
    this.#python.stdin?.write('read\n');
  }

  /** Types a line on the terminal. */
  type(line: string): void {
    this.#python.stdin?.write(`${line}\n`);
  }

  /** Exit code of the program, negative for a signal; undefined while it runs. */
  get exit(): number | undefined {
    const code = /exit (-?\d+)/.exec(this.#status)?.[1];
    return code === undefined ? undefined : Number(code);
  }

  /** Kills the program. */
  async stop(): Promise<void> {
    this.#python.stdin?.end();
    await until('it ends', () => this.#python.exitCode !== null || this.#python.signalCode !== null);
  }
}
