// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineBytes, processBytes } from './machine-memory.ts';

const GIB = 2 ** 30;
const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw';
const V1 = '33 24 0:29 / /sys/fs/cgroup/memory rw,relatime shared:15 - cgroup cgroup rw,memory';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'machine-memory-'));
  file('proc/meminfo', `MemTotal:  ${16 * 2 ** 20} kB\nMemFree: 5 kB\nSwapTotal: ${2 ** 20} kB\n`);
});

afterEach(() => rmSync(root, { recursive: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function groups(mountinfo: string, cgroup: string): void {
  file('proc/self/mountinfo', `22 1 8:1 / / rw - ext4 /dev/root rw\n${mountinfo}\n`);
  file('proc/self/cgroup', cgroup);
}

describe('memory', () => {
  it('of the machine includes its swap', () => {
    expect(machineBytes(root)).toBe(17 * GIB);
  });

  it('of a process without control groups is that of the machine, without swap', () => {
    expect(processBytes(root)).toBe(16 * GIB);
  });

  it('is limited by the least of the groups that the process is in, cgroup v2', () => {
    groups(V2, '0::/pod/container\n');
    file('sys/fs/cgroup/pod/memory.max', `${2 * GIB}\n`);
    file('sys/fs/cgroup/pod/container/memory.max', 'max\n');
    expect(processBytes(root)).toBe(2 * GIB);
  });

  it('is limited by the memory controller, cgroup v1, beside a v2 hierarchy without it', () => {
    groups(
      `${V1}\n31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 24 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu`,
      '5:cpu:/other\n4:memory:/pod\n0::/\n',
    );
    file('sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712\n');
    file('sys/fs/cgroup/memory/pod/memory.limit_in_bytes', `${GIB}\n`);
    expect(processBytes(root)).toBe(GIB);
  });

  it('is limited by the group that a container shows as its top, whatever its name outside', () => {
    groups(
      '33 24 0:29 /docker/1a2b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory',
      '4:memory:/docker/1a2b\n',
    );
    file('sys/fs/cgroup/memory/memory.limit_in_bytes', `${GIB}\n`);
    expect(processBytes(root)).toBe(GIB);
    groups('33 24 0:29 /../.. /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory', '4:memory:/\n');
    expect(processBytes(root)).toBe(GIB);
  });
});
