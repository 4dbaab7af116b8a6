// SPDX-License-Identifier: BSD-3-Clause
// Build results, kept outside the tree under the hash of their inputs. An entry is either complete or absent:
// it is built next to its final place and renamed. Two processes may build the same entry; the first to
// finish wins. Within a process an entry is built once, whoever else asks for it meanwhile.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Entries not used for this long are removed when another of their kind is built. */
const STALE_MS = 24 * 3600 * 1000;

/** $XDG_CACHE_HOME/vhost-pci-pmd, or ~/.cache/vhost-pci-pmd. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'vhost-pci-pmd');
}

export function hashOf(inputs: unknown): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
}

/** Entries that this process is building, by path: two machines that start together need the same image. */
const underWay = new Map<string, Promise<void>>();

export class Cache {
  readonly folder: string;

  constructor(folder = cacheFolder()) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** The folder of the entry `kind` made from `inputs`; if there is none, `build` fills a new folder. */
  async entry(kind: string, inputs: unknown, build: (folder: string) => Promise<void>): Promise<string> {
    const name = `${kind}-${hashOf(inputs)}`;
    const path = join(this.folder, name);
    if (!existsSync(path)) await this.#buildOnce(path, build);
    const now = new Date();
    utimesSync(path, now, now);
    this.#removeStale(kind, name);
    return path;
  }

  #buildOnce(path: string, build: (folder: string) => Promise<void>): Promise<void> {
    const before = underWay.get(path);
    if (before) return before;
    const made = this.#build(path, build).finally(() => underWay.delete(path));
    underWay.set(path, made);
    return made;
  }

  async #build(path: string, build: (folder: string) => Promise<void>): Promise<void> {
    const draft = mkdtempSync(`${path}.building-`);
    // An image made of it keeps the mode, and a guest's unprivileged user has to come in.
    chmodSync(draft, 0o755);
    try {
      await build(draft);
      renameSync(draft, path);
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      if (!existsSync(path)) throw error;
    }
  }

  #removeStale(kind: string, used: string): void {
    for (const name of readdirSync(this.folder)) {
      if (name === used || !name.startsWith(`${kind}-`)) continue;
      const path = join(this.folder, name);
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > STALE_MS) rmSync(path, { recursive: true, force: true });
    }
  }
}
