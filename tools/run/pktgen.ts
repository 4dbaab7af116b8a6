// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-pktgen as a process that leaves its figures in a file.
import { readFileSync } from 'node:fs';
import { Child } from './child.ts';
import { ourProgram } from './programs.ts';

export interface PktgenProcessOptions {
  /** Options of its command line, without --json. */
  readonly args: readonly string[];
  /** Where it writes its figures. */
  readonly json: string;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

export class PktgenProcess extends Child {
  readonly #json: string;

  constructor({ args, json, maxRunMs }: PktgenProcessOptions) {
    const own = ['--plain', '--no-telemetry', '--stats-period', '86400', '--json', json];
    const command = [...ourProgram('vhost-pci-pktgen'), ...args, ...own];
    super({ name: 'vhost-pci-pktgen', command, maxRunMs });
    this.#json = json;
  }

  /** Waits until it sends: it then has printed its headline. */
  sending(ms: number): Promise<void> {
    return this.until(() => /^[^\n]*, CPU \d+/m.test(this.errors), ms, 'its first frame');
  }

  /** Waits for its end; the figures, also of a run that it says has failed. */
  async figures<T>(): Promise<T> {
    await this.gone;
    try {
      return JSON.parse(readFileSync(this.#json, 'utf8')) as T;
    } catch {
      throw this.failure(`ended (${this.exit}) without its figures`);
    }
  }
}
