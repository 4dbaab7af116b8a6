// SPDX-License-Identifier: BSD-3-Clause
// What the bench reads in testpmd's output, DPDK's or ours.

export interface Rates {
  /** Packets a second since the statistics were last shown. */
  readonly rxPps: number;
  readonly txPps: number;
}

/** The two lines that end a port's statistics block. */
export const RATES = /Rx-pps: +(\d+)[^\n]*\n +Tx-pps: +(\d+)/;

export function ratesOf(match: RegExpExecArray): Rates {
  return { rxPps: Number(match[1]), txPps: Number(match[2]) };
}

/** Of "CPU cycles/packet=120.00 (…)", printed at the end with --record-core-cycles; undefined when no packet moved. */
export function cyclesPerPacket(output: string): number | undefined {
  const found = /CPU cycles\/packet=(\d+(?:\.\d+)?)/.exec(output);
  return found ? Number(found[1]) : undefined;
}

/** "22.11.7" of "EAL: RTE Version: 'DPDK 22.11.7'", which -v prints. */
export function dpdkVersion(output: string): string | undefined {
  return /RTE Version: 'DPDK ([^']+)'/.exec(output)?.[1];
}
