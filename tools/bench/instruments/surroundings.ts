// SPDX-License-Identifier: BSD-3-Clause
// What else may have moved a figure: the clock of the CPUs, time that the hypervisor took, neighbours, and
// for which CPU DPDK was built.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

export interface Surroundings {
  /** MHz of each CPU, as the kernel reports them. */
  readonly mhz: readonly number[];
  /** True in a virtual machine. */
  readonly virtual: boolean;
  /** Load average of the last minute, before the run. */
  readonly load: number;
  /** What DPDK was compiled for, as its pkg-config file says; null where there is none. */
  readonly dpdkFlags: string | null;
}

export function describeSurroundings(): Surroundings {
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  return {
    mhz: [...info.matchAll(/^cpu MHz\s*: ([\d.]+)/gm)].map(([, mhz]) => Math.round(Number(mhz))),
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(info),
    load: loadavg()[0] ?? 0,
    dpdkFlags: dpdkFlags(),
  };
}

function dpdkFlags(): string | null {
  try {
    const flags = execFileSync('pkg-config', ['--cflags', 'libdpdk'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return (
      flags
        .split(/\s+/)
        .filter((flag) => flag.startsWith('-m'))
        .join(' ') || null
    );
  } catch {
    return null;
  }
}

/** Starts an interval; the returned function gives the share of all CPUs that the hypervisor took in it. */
export function stolenShare(read = () => readFileSync('/proc/stat', 'utf8')): () => number {
  const before = cpuTicks(read());
  return () => {
    const now = cpuTicks(read());
    return now.all === before.all ? 0 : (now.stolen - before.stolen) / (now.all - before.all);
  };
}

/** The first line of proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. */
function cpuTicks(stat: string): { all: number; stolen: number } {
  const ticks = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  return { all: ticks.reduce((sum, tick) => sum + tick, 0), stolen: ticks[7] ?? 0 };
}
