// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineBytes, processBytes, processHugepageBytes, requireMemory } from './machine-memory.ts';

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

  it("is limited by the lowest limit of the process's groups, cgroup v2", () => {
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

  it("is limited by the container's root group, whatever its name outside", () => {
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

describe('hugepages', () => {
  const meminfo = (kib: number) =>
    file('proc/meminfo', `HugePages_Free:       42\nHugepagesize:       ${kib} kB\n`);

  it('count if they are of 2 MiB and free', () => {
    meminfo(2048);
    expect(processHugepageBytes(root)).toBe(42 * 2 ** 21);
    meminfo(1048576);
    expect(processHugepageBytes(root)).toBe(0);
    file('proc/meminfo', '');
    expect(processHugepageBytes(root)).toBe(0);
  });

  it.each([
    [V2, '0::/pod\n', 'sys/fs/cgroup/pod/hugetlb.2MB.max'],
    [
      '40 24 0:40 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb',
      '7:hugetlb:/pod\n',
      'sys/fs/cgroup/hugetlb/pod/hugetlb.2MB.limit_in_bytes',
    ],
  ])('that a control group forbids do not count', (mountinfo, cgroup, limit) => {
    meminfo(2048);
    groups(mountinfo, cgroup);
    expect(processHugepageBytes(root)).toBe(42 * 2 ** 21);
    file(limit, '0\n');
    expect(processHugepageBytes(root)).toBe(0);
  });
});

describe('memory that a process needs', () => {
  it('is refused with a one-line error beyond its limit', () => {
    expect(() => requireMemory(4096, 'a page')).not.toThrow();
    expect(() => requireMemory(2 ** 52, 'a pool of 5 mbufs')).toThrow(
      expect.objectContaining({
        code: 'ENOMEM',
        message: expect.stringMatching(/^Failed to allocate a pool of 5 mbufs: this process may use \d+[MG]/),
      }),
    );
  });
});
