// SPDX-License-Identifier: BSD-3-Clause
// A memory control group of a test's own: programs started in it are killed when they are charged for more than it allows. Made in the
// top group of whatever hierarchy there is, which takes root and a mount that can be written.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../src/native.ts';

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

let made = 0;

export class MemoryGroup {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Throws what the kernel says when this process may not make one. */
  static create(bytes: number): MemoryGroup {
    const v1 = existsSync(join(V1, 'memory.limit_in_bytes'));
    const group = new MemoryGroup(join(v1 ? V1 : V2, `vpci-test-${process.pid}-${made++}`));
    mkdirSync(group.#folder);
    try {
      writeFileSync(join(group.#folder, v1 ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
    } catch (error) {
      group.close();
      throw error;
    }
    return group;
  }

  /** Why there can be none, or false. */
  static missing(): string | false {
    try {
      MemoryGroup.create(1 << 30).close();
      return false;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** The words of a command that runs `words` in the group. */
  command(words: readonly string[]): string[] {
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', join(this.#folder, 'cgroup.procs'), ...words];
  }

  /** Of those that were in it: how often the kernel killed one. */
  get kills(): number {
    const file = ['memory.events', 'memory.oom_control'].find((name) => existsSync(join(this.#folder, name)));
    const text = file ? readFileSync(join(this.#folder, file), 'utf8') : '';
    return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
  }

  /** When what ran in it has ended. */
  close(): void {
    rmdirSync(this.#folder);
  }
}

/** Why this process cannot be held to a part of a peer's missing pages (a container may not allow userfaultfd), or false. */
export function holeLimitMissing(): string | false {
  const fd = native.memfdCreate('probe', 1 << 20, false);
  const mapping = native.mapFd(fd, 0, 1 << 20, true);
  try {
    native.limitHoles(mapping, 0);
    return false;
  } catch (error) {
    return (error as Error).message;
  } finally {
    native.unmap(mapping);
    native.close(fd);
  }
}
