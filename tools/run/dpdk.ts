// SPDX-License-Identifier: BSD-3-Clause
// The command line of DPDK's testpmd as a virtio-net driver (net_virtio_user) or as a vhost back-end (net_vhost).
import { PmdError } from '../../src/errors.ts';
import { processHugepageBytes } from '../../src/machine-memory.ts';
import { findProgram } from './programs.ts';
import { lcoresOn, MBUFS, type TestpmdOptions, testpmdArguments } from './testpmd-options.ts';

const PROGRAM = 'dpdk-testpmd';
const MEMORY_MIB = 256;
const PAGE_KIB = 2048;
/** Of a comparison: three testpmds with their memory (two peers and net_vhost), and the pools of ours. */
export const HUGEPAGES_WANTED = (3 * MEMORY_MIB * 1024) / PAGE_KIB + 64;

export interface DpdkOptions extends TestpmdOptions {
  /** Arguments of --vdev. */
  readonly vdevs: readonly string[];
  readonly cpu: number;
  /** Of the main lcore, when it is another one. */
  readonly mainCpu?: number | undefined;
  /** Forwarding lcores; 1. */
  readonly forwardingLcores?: number;
  readonly hugepages: boolean;
  /** MiB; 256. */
  readonly memory?: number;
  /** Further EAL options. */
  readonly eal?: readonly string[];
}

/** Throws VPCI_NO_DPDK with advice when there is no dpdk-testpmd. */
export function requireDpdk(): void {
  if (findProgram(PROGRAM)) return;
  throw new PmdError(
    'VPCI_NO_DPDK',
    `${PROGRAM} is not installed: apt-get install dpdk-dev librte-net-virtio23 librte-net-vhost23 (Debian 12)`,
  );
}

/** `filePrefix` names the instance among DPDK's processes of this machine. */
export function dpdkCommand(options: DpdkOptions, filePrefix: string): string[] {
  const forwarding = options.forwardingLcores ?? 1;
  return [
    // Its output is a pipe here, and would come in blocks.
    ...(findProgram('stdbuf') ? ['stdbuf', '-oL'] : []),
    PROGRAM,
    ...['--lcores', lcoresOn(options.cpu, forwarding, options.mainCpu)],
    `--file-prefix=${filePrefix}`,
    ...['--no-pci', '--no-telemetry', '-v', '-m', `${options.memory ?? MEMORY_MIB}`],
    // virtio-user needs its memory in one file; --no-huge gives that by itself.
    ...(options.hugepages ? ['--in-memory', '--single-file-segments'] : ['--no-huge']),
    ...options.vdevs.flatMap((vdev) => ['--vdev', vdev]),
    ...(options.eal ?? []),
    '--',
    `--nb-cores=${forwarding}`,
    `--total-num-mbufs=${MBUFS}`,
    // A back-end's link comes up with its peer: testpmd would wait for it for nine seconds.
    '--disable-link-check',
    ...testpmdArguments(options),
  ];
}

/** 2 MiB pages that we may have; 0 when they are of another size or not for us. */
export function hugepagesFree(): number {
  return process.getuid?.() === 0 ? Math.floor(processHugepageBytes() / (PAGE_KIB * 1024)) : 0;
}
