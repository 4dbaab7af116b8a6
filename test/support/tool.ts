// SPDX-License-Identifier: BSD-3-Clause
// Programs of this tree as child processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { nodeArguments, ROOT } from './program.ts';
import { until } from './wait.ts';

export class Tool {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = '';

  /** Starts the source file `script`, a path from the root. */
  constructor(script: string, args: readonly string[]) {
    this.#name = script;
    this.#child = spawn(process.execPath, [...nodeArguments(script), ...args], { cwd: ROOT });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Exit code, or null while it runs or after a signal. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Waits until it has printed `text`. */
  async printed(text: string): Promise<void> {
    await until(`${this.#name} prints '${text}'`, () => this.#output.includes(text) || !this.running);
    if (!this.#output.includes(text))
      throw new Error(`${this.#name} ended without '${text}':\n${this.#output}`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }
}
