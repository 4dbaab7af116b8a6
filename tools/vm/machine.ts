// SPDX-License-Identifier: BSD-3-Clause
// A running machine: QEMU, its console's log, and its control channel. It ends when this process ends, at the
// latest.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { Child } from '../run/child.ts';
import { GuestAgent, type GuestResult } from './guest-agent.ts';
import type { Images } from './images.ts';
import { type Accelerator, type MachinePaths, type MachineSpec, qemuCommand } from './qemu.ts';

/** Enough for TCG on a busy machine; a tenth of it is typical. */
export const BOOT_MS = 180_000;
const RUN_MS = 60_000;
const END_MS = 1000;

export interface MachineContext {
  readonly images: Images;
  readonly accelerator: Accelerator;
  /** Folder for sockets; a short path. */
  readonly folder: string;
  /** Folder for the logs of the console and of QEMU. */
  readonly logs: string;
  /** Milliseconds after which QEMU is killed in any case. */
  readonly maxRunMs: number;
}

export class Machine {
  readonly name: string;
  readonly paths: MachinePaths;
  readonly qemu: Child;
  readonly #agent: GuestAgent;

  constructor(context: MachineContext, spec: MachineSpec) {
    this.name = spec.name;
    const path = (what: string) => join(context.folder, `${spec.name}.${what}`);
    this.paths = {
      console: path('con'),
      agent: path('agent'),
      qmp: path('qmp'),
      consoleLog: join(context.logs, `${spec.name}.console.log`),
    };
    this.#agent = new GuestAgent(spec.name);
    const command = qemuCommand(context.images, context.accelerator, spec, this.paths);
    const log = join(context.logs, `${spec.name}.qemu.log`);
    this.qemu = new Child({ name: `QEMU (${spec.name})`, command, log, maxRunMs: context.maxRunMs });
  }

  /** Waits until the guest runs commands. */
  async booted(): Promise<void> {
    await this.#watched(this.#agent.connect(this.paths.agent));
    await this.#watched(this.#agent.started(1, BOOT_MS));
  }

  /** Runs a shell script in the guest and returns its output; throws when it fails. */
  async run(script: string, ms = RUN_MS): Promise<string> {
    const { code, output } = await this.try(script, ms);
    if (code === 0) return output;
    const how = code === 124 ? `took longer than ${ms / 1000} s` : `failed (${code})`;
    throw new PmdError('VPCI_RIG_COMMAND', `'${script}' in ${this.name} ${how}: ${output.trim()}`);
  }

  /** Runs a shell script in the guest and returns its exit code and output. */
  try(script: string, ms = RUN_MS): Promise<GuestResult> {
    return this.#watched(this.#agent.run(script, ms));
  }

  /** Reboots the guest and waits until it runs commands again. */
  async reboot(): Promise<void> {
    const starts = this.#agent.starts;
    await this.#agent.run('busybox reboot', RUN_MS).catch(() => {}); // Its answer may get lost.
    await this.#watched(this.#agent.started(starts + 1, BOOT_MS));
  }

  /** The output of the guest's console so far. */
  get consoleOutput(): string {
    return readFileSync(this.paths.consoleLog, 'utf8');
  }

  /** Kills QEMU without notice to the guest, as if its process were killed from outside. */
  async kill(): Promise<void> {
    this.#agent.close();
    await this.qemu.kill();
  }

  async stop(): Promise<void> {
    this.#agent.close();
    await this.qemu.stop();
  }

  /** Replaces a failure by QEMU's own message if QEMU has exited. */
  async #watched<T>(wait: Promise<T>): Promise<T> {
    try {
      return await wait;
    } catch (error) {
      // Its sockets close before its exit is reported.
      if (await this.qemu.ended(END_MS)) throw this.qemu.failure(`ended (${this.qemu.exit})`);
      throw error;
    }
  }
}
