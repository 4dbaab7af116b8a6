// SPDX-License-Identifier: BSD-3-Clause
// The folder that a report is written to, case by case: a disk that is full now may have room after the next
// case, so what cannot be written yet is said once, and tried again.
import { join } from 'node:path';
import { writeWhole } from '../../run/whole-file.ts';

export class ReportFolder {
  readonly #folder: string;
  readonly #complain: (line: string) => void;
  readonly #stale = new Set<string>();
  readonly #named = new Set<string>();

  constructor(folder: string, complain: (line: string) => void) {
    this.#folder = folder;
    this.#complain = complain;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Whether the file is not what save() was given last. */
  isStale(name: string): boolean {
    return this.#stale.has(name);
  }

  /** Writes all that there is room for, by name, and says once of each other file why it is stale. */
  save(files: ReadonlyMap<string, string>): void {
    for (const [name, text] of files) {
      try {
        writeWhole(this.path(name), text);
        this.#stale.delete(name);
      } catch (error) {
        this.#stale.add(name);
        if (!this.#named.has(name)) this.#complain((error as Error).message);
        this.#named.add(name);
      }
    }
  }
}
