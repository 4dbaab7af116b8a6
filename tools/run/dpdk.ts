// SPDX-License-Identifier: BSD-3-Clause
// The command line of DPDK's testpmd as a virtio-net driver (net_virtio_user) or as a vhost back-end
// (net_vhost).
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { PmdError } from '../../src/errors.ts';
import { processHugepageBytes } from '../../src/machine-memory.ts';
import { findProgram } from './programs.ts';
import { lcoresOn, MBUFS, type TestpmdOptions, testpmdArguments } from './testpmd-options.ts';
import { dpdkVersion } from './testpmd-output.ts';

const PROGRAM = 'dpdk-testpmd';
const MEMORY_MIB = 256;
const VERSION_MS = 10_000;
const PAGE_KIB = 2048;
/**
 * For a comparison: three testpmd processes with their memory (two peers and net_vhost), plus our own mbuf
 * pools.
 */
export const HUGEPAGES_WANTED = (3 * MEMORY_MIB * 1024) / PAGE_KIB + 64;

export interface DpdkOptions extends TestpmdOptions {
  /** Arguments of --vdev. */
  readonly vdevs: readonly string[];
  readonly cpu: number;
  /** CPU of the main lcore, when it differs from `cpu`. */
  readonly mainCpu?: number | undefined;
  /** Forwarding lcores; 1. */
  readonly forwardingLcores?: number;
  readonly hugepages: boolean;
  /** MiB; 256. */
  readonly memory?: number;
  /** With its telemetry sockets. */
  readonly telemetry?: boolean;
  /** Further EAL options. */
  readonly eal?: readonly string[];
}

/** Throws VPCI_NO_DPDK with advice when there is no dpdk-testpmd. */
export function requireDpdk(): void {
  if (findProgram(PROGRAM)) return;
  throw new PmdError(
    'VPCI_NO_DPDK',
    `${PROGRAM} is not installed: apt-get install dpdk-dev librte-net-virtio23 librte-net-vhost23 (Debian 12; on 13 each ends in 25)`,
  );
}

/** Where distributions put DPDK's drivers: LIBRARIES/<triplet>/dpdk/pmds-<ABI>. */
const LIBRARIES = '/usr/lib';

/** "22.11.7" where there is a dpdk-testpmd that says its version. */
export async function installedDpdk(): Promise<string | undefined> {
  const bound = { timeout: VERSION_MS, killSignal: 'SIGKILL' } as const;
  const said = await promisify(execFile)(PROGRAM, ['-v', '-h'], bound).catch(String);
  return typeof said === 'string' ? undefined : dpdkVersion(said.stdout + said.stderr);
}

/** Throws VPCI_NO_DPDK with advice when DPDK's drivers are libraries, and net_memif is not among them. */
export function requireMemif(libraries = LIBRARIES): void {
  if (dpdkHas('net_memif', libraries)) return;
  throw new PmdError(
    'VPCI_NO_DPDK',
    "DPDK's net_memif is not installed: apt-get install librte-net-memif23 (Debian 12)",
  );
}

/** Whether DPDK has a driver; true where it cannot be said, as its drivers are part of its programs. */
export function dpdkHas(driver: string, libraries = LIBRARIES): boolean {
  const drivers = foldersOf(libraries)
    .flatMap((triplet) => foldersOf(join(triplet, 'dpdk')))
    .filter((folder) => basename(folder).startsWith('pmds-'))
    .flatMap((folder) => readdirSync(folder));
  return drivers.length === 0 || drivers.some((name) => name.startsWith(`librte_${driver}.so`));
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(path, name));
  } catch {
    return [];
  }
}

/** `filePrefix` distinguishes this instance from the other DPDK processes on this machine. */
export function dpdkCommand(options: DpdkOptions, filePrefix: string): string[] {
  const forwarding = options.forwardingLcores ?? 1;
  return [
    // Its stdout is a pipe here and would be block-buffered.
    ...(findProgram('stdbuf') ? ['stdbuf', '-oL'] : []),
    PROGRAM,
    ...['--lcores', lcoresOn(options.cpu, forwarding, options.mainCpu)],
    `--file-prefix=${filePrefix}`,
    ...[
      '--no-pci',
      ...(options.telemetry ? [] : ['--no-telemetry']),
      '-v',
      '-m',
      `${options.memory ?? MEMORY_MIB}`,
    ],
    // virtio-user needs its memory in one file; --no-huge already implies that.
    ...(options.hugepages ? ['--in-memory', '--single-file-segments'] : ['--no-huge']),
    ...options.vdevs.flatMap((vdev) => ['--vdev', vdev]),
    ...(options.eal ?? []),
    '--',
    `--nb-cores=${forwarding}`,
    `--total-num-mbufs=${MBUFS}`,
    // A back-end's link comes up only when its peer connects: testpmd would wait nine seconds for it.
    '--disable-link-check',
    ...testpmdArguments(options),
  ];
}

/**
 * Free 2 MiB hugepages available to this process; 0 when hugepages have another size or the process is not
 * root.
 */
export function hugepagesFree(): number {
  return process.getuid?.() === 0 ? Math.floor(processHugepageBytes() / (PAGE_KIB * 1024)) : 0;
}
