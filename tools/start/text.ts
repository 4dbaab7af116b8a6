// SPDX-License-Identifier: BSD-3-Clause
// The lines that the demo prints.
import { cyclesPerPacket, totalIn } from '../run/testpmd-output.ts';
import type { DemoOptions } from './options.ts';
import type { Sample } from './traffic.ts';

const millions = (count: number): string => `${(count / 1e6).toFixed(1)} M`;

/** The running programs and their settings, in one line. */
export function picture(options: DemoOptions, cpus: readonly [number, number]): string {
  const driver = options.peer === 'dpdk' ? 'DPDK virtio-user' : 'built-in peer';
  const peer = options.symmetric
    ? `testpmd (a second PMD, CPU ${cpus[1]})`
    : `${driver} (virtio-net driver, CPU ${cpus[1]})`;
  const sides = options.unidirectional ? ', each side writable by its owner only' : '';
  const device = options.symmetric ? `vhost-pci 2.1 functions${sides}` : 'vhost-pci device';
  const pairs = options.queues === 1 ? '1 queue pair' : `${options.queues} queue pairs`;
  return (
    `${peer}  <->  ${device}  <->  ` +
    `testpmd ${options.forwardMode} (the PMD, CPU ${cpus[0]});  ` +
    `frames of ${options.size} bytes, bursts of ${options.burst}, ${pairs}`
  );
}

/** What to expect where there is one CPU for both poll loops. */
export function sharedCpu([pmd, peer]: readonly [number, number]): string[] {
  if (pmd !== peer) return [];
  return [
    `Both poll loops share CPU ${pmd}, the only one that this process may use: they take turns, and the rates say little`,
  ];
}

/** "t=3 s  peer→pmd 8.12 Mpps  pmd→peer 8.12 Mpps  checked 24.1 M  lost 0  bad 0" */
export function secondLine(t: number, now: Sample, before: Sample): string {
  const rate = (count: number) => `${(count / now.seconds / 1e6).toFixed(2)} Mpps`;
  const words = [
    `t=${t} s`,
    `peer→pmd ${rate(now.sent - before.sent)}`,
    `pmd→peer ${rate(now.received - before.received)}`,
  ];
  if (now.checks) {
    words.push(`checked ${millions(now.received)}`, `lost ${now.checks.lost}`, `bad ${now.checks.bad}`);
  }
  return words.join('  ');
}

/** testpmd's counters, from the summary that it prints at its end. */
export interface PmdTotals {
  readonly received: number;
  readonly sent: number;
  readonly dropped: number;
  readonly cycles: number | undefined;
}

/** Undefined when the output does not contain a summary of all ports. */
export function pmdTotals(output: string): PmdTotals | undefined {
  const total = totalIn(output);
  if (!total) return undefined;
  const { rxPackets: received, txPackets: sent, txDropped: dropped } = total;
  return { received, sent, dropped, cycles: cyclesPerPacket(output) };
}

export interface SummaryContext {
  /** The user's `quit` ended the PMD while frames were in flight, and may have cleared its counters. */
  readonly interactive?: boolean;
  /** The built-in peer only sends or only receives. */
  readonly oneWay?: boolean;
}

/** The result of the run: the peer's counters, and the PMD's when they are known. */
export function summary(totals: Sample, pmd: PmdTotals | undefined, context: SummaryContext = {}): string[] {
  const inFlight = context.interactive || totals.checks ? '' : inFlightText(totals, pmd);
  const lines = [
    `peer: ${totals.sent} sent, ${totals.received} received${inFlight}${verdict(totals, context)}`,
  ];
  if (pmd) {
    const cycles = pmd.cycles === undefined ? '' : `, ${Math.round(pmd.cycles)} cycles per packet`;
    lines.push(`pmd:  ${pmd.received} received, ${pmd.sent} sent, ${pmd.dropped} dropped${cycles}`);
  }
  return lines;
}

/** What one side has sent and the other had not taken when it stopped is in the rings. */
function inFlightText({ sent, received }: Sample, pmd: PmdTotals | undefined): string {
  if (!pmd) return '';
  const away = Math.max(0, sent - pmd.received) + Math.max(0, pmd.sent - received);
  return away > 0 ? `, ${away} in flight at the end` : '';
}

function verdict({ checks }: Sample, { interactive, oneWay }: SummaryContext): string {
  if (!checks) return `; contents not checked: ${oneWay ? 'frames go one way' : 'the peer is a testpmd'}`;
  if (checks.lost + checks.bad === 0) return '; all came back, in order and with the right contents';
  return `; ${checks.lost} ${interactive ? 'in flight at the end or lost' : 'lost'}, ${checks.bad} bad`;
}
