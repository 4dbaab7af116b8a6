// SPDX-License-Identifier: BSD-3-Clause
// The programs of tools/ as child processes, from their sources.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './wait.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export class Tool {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = '';

  /** Starts tools/`name`/main.ts. */
  constructor(name: string, args: readonly string[]) {
    this.#name = name;
    const script = join(ROOT, 'tools', name, 'main.ts');
    this.#child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { cwd: ROOT });
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

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Exit code, or null while it runs or after a signal. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Waits until it has printed `text`. */
  async printed(text: string): Promise<void> {
    await until(`${this.#name} prints '${text}'`, () => this.#output.includes(text) || !this.running, 20_000);
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
