// SPDX-License-Identifier: BSD-3-Clause
// What the bench reads in testpmd's output, DPDK's or ours.

export interface Rates {
  /** Packets a second since the statistics were last shown. */
  readonly rxPps: number;
  readonly txPps: number;
}

/** What testpmd prints, DPDK's and ours, when it starts to forward. */
export const forwardsOn = (ports: number): RegExp => new RegExp(`packet forwarding - ports=${ports} `);

/** The two lines that end a port's statistics block, of so many ports after each other. */
export const ratesOfPorts = (ports: number): RegExp =>
  new RegExp(Array.from({ length: ports }, () => 'Rx-pps: +(\\d+)[^\\n]*\\n +Tx-pps: +(\\d+)').join('[^]*?'));

/** Of all the ports together. */
export function ratesOf(match: RegExpExecArray): Rates {
  const rates = match.slice(1).map(Number);
  const sum = (odd: number) => rates.reduce((total, rate, i) => (i % 2 === odd ? total + rate : total), 0);
  return { rxPps: sum(0), txPps: sum(1) };
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
