// SPDX-License-Identifier: BSD-3-Clause
// A test's own memory control group: programs started in it are killed when they are charged for more than
// its limit. It is created in the top group of the existing hierarchy, which takes root and a writable mount.
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

  /** Throws the kernel's error when this process may not create one. */
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

  /** Why a group cannot be created, or false. */
  static missing(): string | false {
    try {
      MemoryGroup.create(1 << 30).close();
      return false;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** The command line that runs `words` in the group. */
  command(words: readonly string[]): string[] {
    return ['sh', '-c', 'echo $$ >"$0" && exec "$@"', join(this.#folder, 'cgroup.procs'), ...words];
  }

  /** How many of its processes the kernel has killed. */
  get kills(): number {
    const file = ['memory.events', 'memory.oom_control'].find((name) => existsSync(join(this.#folder, name)));
    const text = file ? readFileSync(join(this.#folder, file), 'utf8') : '';
    return Number(/^oom_kill (\d+)/m.exec(text)?.[1] ?? 0);
  }

  /** Removes the group, once its processes have ended. */
  close(): void {
    rmdirSync(this.#folder);
  }
}

/**
 * Why the charge of this process for a peer's missing pages cannot be limited (a container may not allow
 * userfaultfd), or false.
 */
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
