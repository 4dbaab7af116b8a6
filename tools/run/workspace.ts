// SPDX-License-Identifier: BSD-3-Clause
// A fresh folder for sockets, gone when this process ends; and the interruption of the whole run by a signal.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import type { Child } from './child.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Shell's convention: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

export class Workspace {
  /** Unix socket paths have 107 bytes: keep what is put here short. */
  readonly folder: string;
  #names = 0;

  /** Throws when the folder of temporary files, or the one that is given instead, cannot be written. */
  constructor(parent = tmpdir()) {
    this.folder = mkdtempSync(join(parent, 'vpci-'));
    process.on('exit', () => this.remove());
  }

  /** A path that nobody used yet. */
  path(name: string): string {
    return join(this.folder, `${name}${this.#names++}`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ends this process on a signal; what is registered for 'exit' ends the children and removes the folder. */
export function exitOnSignals(signals: readonly (typeof SIGNALS)[number][] = SIGNALS): void {
  for (const signal of signals) process.once(signal, () => process.exit(EXIT_CODES[signal]));
}

/** Stops children in the order given, all of them, whatever happens to one. */
export async function stopAll(children: readonly (Pick<Child, 'stop'> | undefined)[]): Promise<void> {
  for (const child of children) await child?.stop().catch(() => {});
}

/** Two CPUs that this process may use; the same one twice where there is only one. */
export function twoCpus(allowed: readonly number[]): readonly [number, number] {
  const [first, second = first] = allowed;
  if (first === undefined || second === undefined)
    throw new PmdError('VPCI_NO_CPU', 'this process has no CPU to run on');
  return [first, second];
}
