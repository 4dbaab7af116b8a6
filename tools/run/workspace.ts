// SPDX-License-Identifier: BSD-3-Clause
// A fresh folder for sockets, removed when this process exits; and ending the whole run on a signal.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { codeOf, PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { exitProcess } from '../../src/process-end.ts';
import { socketPathFault } from '../../src/socket-path.ts';
import type { Child } from './child.ts';
import { makeOwnedFolder, type OwnedFolder } from './owned-folder.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Shell convention: 128 plus the signal number. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

export class Workspace {
  readonly folder: string;
  readonly #owned: OwnedFolder;
  #names = 0;

  /** Throws a PmdError when `parent`, by default the folder of temporary files, is not writable. */
  constructor(parent = tmpdir()) {
    try {
      this.#owned = makeOwnedFolder(parent);
    } catch (error) {
      const cause = (error as Error).message.replace(/, mkdtemp .*$/s, '');
      throw new PmdError(
        codeOf(error, 'EIO'),
        `Failed to create a folder in ${parent} (set TMPDIR to a writable one): ${cause}`,
        { cause: error },
      );
    }
    this.folder = this.#owned.path;
    folders.add(this.#owned);
  }

  /** A path for a socket that has not been handed out before. Throws ENAMETOOLONG. */
  path(name: string): string {
    const path = join(this.folder, `${name}${this.#names++}`);
    const fault = socketPathFault(path);
    if (fault === null) return path;
    throw new PmdError('ENAMETOOLONG', `Failed to use ${path}: ${fault}; set TMPDIR to a shorter one`);
  }

  remove(): void {
    folders.delete(this.#owned);
    this.#owned.remove();
  }
}

const folders = new Set<OwnedFolder>();
process.on('exit', () => {
  for (const folder of folders) folder.remove();
});

/** Exits this process on a signal; the 'exit' handlers end the children and remove the folder. */
export function exitOnSignals(
  signals: readonly (typeof SIGNALS)[number][] = SIGNALS,
  end: (code: number) => void = exitProcess,
): void {
  for (const signal of signals) process.on(signal, () => end(EXIT_CODES[signal]));
}

/** Lets the listeners of signals run that came while the event loop was blocked. */
export async function heardSignals(): Promise<void> {
  while (native.endSignalWaits()) await turn();
}

/** Stops all children in the order given, even if stopping one of them fails. */
export async function stopAll(children: readonly (Pick<Child, 'stop'> | undefined)[]): Promise<void> {
  for (const child of children) await child?.stop().catch(() => {});
}

/** Two CPUs that this process may use; the same one twice if there is only one. */
export function twoCpus(allowed: readonly number[]): readonly [number, number] {
  const [first, second = first] = allowed;
  if (first === undefined || second === undefined)
    throw new PmdError('VPCI_NO_CPU', 'this process has no CPU to run on');
  return [first, second];
}
