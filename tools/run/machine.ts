// SPDX-License-Identifier: BSD-3-Clause
// The machine that the figures were taken on: without it they mean nothing.
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly node: string;
  /** DPDK's version as its testpmd reports it; null when DPDK did not run. */
  readonly dpdk: string | null;
  /** Open vSwitch's version; left out when it did not run. */
  readonly ovs?: string;
  readonly hugepages: boolean;
}

export function describeMachine(
  dpdk: string | undefined,
  hugepages: boolean,
  ovs: string | undefined = undefined,
): Machine {
  return {
    cpu: cpuModel(),
    cpus: cpus().length,
    kernel: release(),
    node: process.version,
    dpdk: dpdk ?? null,
    ...(ovs === undefined ? {} : { ovs }),
    hugepages,
  };
}

function cpuModel(): string {
  const named = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
  return (named ?? cpus()[0]?.model ?? 'unknown').trim();
}

export function machineLine({ cpu, cpus, kernel, node, dpdk, ovs, hugepages }: Machine): string {
  const parts = [`${cpu}, ${cpus} CPUs`, `Linux ${kernel}`, `Node ${node}`];
  if (dpdk !== null) parts.push(`DPDK ${dpdk}`);
  if (ovs !== undefined) parts.push(`Open vSwitch ${ovs}`);
  return [...parts, hugepages ? 'hugepages' : 'no hugepages'].join('; ');
}
