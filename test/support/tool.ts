// SPDX-License-Identifier: BSD-3-Clause
// Programs of this tree as a test's child processes.
import { Child, type SignalName } from '../../tools/run/child.ts';
import { type DeviceModelOptions, deviceModelArguments } from '../../tools/run/device-model.ts';
import { nodeArguments, ROOT } from './program.ts';
import { until } from './wait.ts';

/** Longer than any test runs. */
const MAX_RUN_MS = 3_600_000;

export class Tool {
  readonly #child: Child;

  /** Starts the source file `script`, a path relative to the root. */
  constructor(script: string, args: readonly string[]) {
    const command = [process.execPath, ...nodeArguments(script), ...args];
    this.#child = new Child({ name: script, command, cwd: ROOT, maxRunMs: MAX_RUN_MS });
  }

  /** Its output so far. */
  get output(): string {
    return this.#child.transcript;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get running(): boolean {
    return this.#child.exit === undefined;
  }

  /** Exit code, or null while it runs or after a signal. */
  get exitCode(): number | null {
    const { exit } = this.#child;
    return typeof exit === 'number' ? exit : null;
  }

  /** Waits until it has printed `text`. */
  async printed(text: string): Promise<void> {
    await until(`${this.#child.name} prints '${text}'`, () => this.output.includes(text) || !this.running);
    if (!this.output.includes(text))
      throw new Error(`${this.#child.name} ended without '${text}':\n${this.output}`);
  }

  /** A line of its standard input. */
  type(line: string): void {
    this.#child.write(line);
  }

  async kill(signal: SignalName = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    this.#child.signal(signal);
    await this.#child.gone;
  }
}

/** A device model that peers and drivers can connect to. */
export async function startDeviceModel(options: DeviceModelOptions): Promise<Tool> {
  const device = new Tool('tools/device/main.ts', deviceModelArguments(options));
  await device.printed('ready');
  return device;
}
