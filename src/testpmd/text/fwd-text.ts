// SPDX-License-Identifier: BSD-3-Clause
// testpmd's forwarding texts: the banner at the start and the statistics at the end.
import type { PortStats } from '../../ethdev/port.ts';
import { BURST_SIZES } from '../fwd/burst-stats.ts';
import { engineNamed } from '../fwd/engines.ts';
import { modeTitle } from '../fwd/traffic.ts';
import { peerMac, type Settings } from '../settings.ts';
import type { LcoreStreams, Stream } from '../streams.ts';
import { burstsLine } from './burst-text.ts';
import { left, retrySuffix } from './port-text.ts';

const DASHES = '-'.repeat(22);
const PLUSES = '+'.repeat(15);

/** `show config fwd`, and the banner of `start`. */
export function fwdConfigText(settings: Settings, lcores: readonly LcoreStreams[], nbPorts: number): string {
  const nbStreams = lcores.reduce((sum, { streams }) => sum + streams.length, 0);
  const lines = [
    `${modeTitle(settings.mode, settings.traffic)} packet forwarding${retrySuffix(settings)} - ports=${nbPorts} - cores=${lcores.length} - ` +
      `streams=${nbStreams} - NUMA support enabled, MP allocation mode: native`,
  ];
  if (settings.rxInterrupt !== 'off') lines.push(interruptLine(settings));
  if (settings.retry) {
    const { burstTxRetries, burstTxDelay } = settings;
    lines.push(`TX retry num: ${burstTxRetries}, delay between TX retries: ${burstTxDelay}us`);
  }
  for (const { lcore, streams } of lcores) {
    lines.push(`Logical Core ${lcore} (socket 0) forwards packets on ${streams.length} streams:`);
    for (const stream of streams) lines.push(streamLine(settings, stream));
  }
  return `${lines.join('\n')}\n`;
}

function interruptLine({ mode, rxInterrupt }: Settings): string {
  const note = engineNamed(mode).generates ? ` (${mode} never waits for packets: it polls)` : '';
  return `RX interrupt mode: ${rxInterrupt}${note}`;
}

function streamLine(settings: Settings, { rxPort, rxQueue, txPort, txQueue }: Stream): string {
  const peer = peerMac(settings, txPort);
  return `  RX P=${rxPort}/Q=${rxQueue} (socket 0) -> TX P=${txPort}/Q=${txQueue} (socket 0) peer=${peer}`;
}

export interface StreamCounts {
  readonly stream: Stream;
  readonly rx: number;
  /** Packets that the TX queue accepted and did not drop. */
  readonly tx: number;
  /** Packets that the TX queue did not accept, or accepted and dropped: DPDK's fwd_dropped and oerrors. */
  readonly dropped: number;
  /** Received with a wrong checksum: mode csum. */
  readonly badIp?: number;
  readonly badL4?: number;
  readonly badOuterIp?: number;
  readonly badOuterL4?: number;
  /** By size, of its RX queue and of its TX queue; null where they are not recorded. */
  readonly bursts?: Float64Array | null;
}

export interface PortCounts {
  readonly id: number;
  /** Since forwarding started. */
  readonly stats: PortStats;
  /** Packets dropped by its streams. */
  readonly dropped: number;
}

export interface CoreCycles {
  readonly mode: string;
  readonly cycles: number;
  readonly tscHz: number;
}

/** The text of `show fwd stats all` and `stop`. */
export function fwdStatsText(
  streams: readonly StreamCounts[],
  ports: readonly PortCounts[],
  cycles: CoreCycles | null,
  csum = false,
): string {
  const lines: string[] = [];
  const each = streams.length > ports.length;
  const active = streams.filter(({ rx, tx, dropped }) => rx + tx + dropped > 0);
  if (each) lines.push(...active.map((stream) => streamText(stream, csum)));
  let received = 0;
  let missed = 0;
  let sent = 0;
  let dropped = 0;
  for (const port of ports) {
    lines.push(portText(port, streams, csum, !each));
    received += port.stats.ipackets;
    missed += port.stats.imissed;
    sent += port.stats.opackets;
    dropped += port.dropped;
  }
  lines.push(
    `\n  ${PLUSES} Accumulated forward statistics for all ports${PLUSES}`,
    receivedLine(received, missed),
    sentLine(sent, dropped),
    `  ${PLUSES}${'+'.repeat(46)}${PLUSES}`,
  );
  if (cycles) lines.push(cyclesText(cycles, streams, received, sent));
  return lines.join('\n');
}

function streamText(counts: StreamCounts, csum: boolean): string {
  const { stream, rx, tx, dropped, badIp = 0, badL4 = 0, bursts = null } = counts;
  const { badOuterIp = 0, badOuterL4 = 0 } = counts;
  const { rxPort, rxQueue, txPort, txQueue } = stream;
  const from = `RX Port=${right(rxPort)}/Queue=${right(rxQueue)}`;
  const to = `TX Port=${right(txPort)}/Queue=${right(txQueue)}`;
  const packets = `  RX-packets: ${left(rx, 14)} TX-packets: ${left(tx, 14)} TX-dropped: ${left(dropped, 14)}`;
  const bad =
    `  RX- bad IP checksum: ${left(badIp, 14)}  Rx- bad L4 checksum: ${left(badL4, 14)}` +
    ` Rx- bad outer L4 checksum: ${left(badOuterL4, 14)}\n RX- bad outer IP checksum: ${left(badOuterIp, 14)}`;
  return [
    `\n  ------- Forward Stats for ${from} -> ${to} -------`,
    csum ? `${packets}${bad}` : packets,
    ...(bursts === null ? [] : [...receivedBursts(bursts), ...sentBursts(bursts)]),
  ].join('\n');
}

const receivedBursts = (bursts: Float64Array) => burstsLine('RX', bursts.subarray(0, BURST_SIZES));
const sentBursts = (bursts: Float64Array) => burstsLine('TX', bursts.subarray(BURST_SIZES));

/** `bursts`: with those of its streams, of which it then has one of each kind. */
function portText(
  { id, stats, dropped }: PortCounts,
  streams: readonly StreamCounts[],
  csum: boolean,
  bursts: boolean,
): string {
  const into = streams.filter(({ stream }) => stream.rxPort === id);
  const lines = [
    `\n  ${DASHES} Forward statistics for port ${left(id, 2)} ${DASHES}`,
    receivedLine(stats.ipackets, stats.imissed),
  ];
  if (csum) {
    const bad = (count: 'badIp' | 'badL4' | 'badOuterIp' | 'badOuterL4') =>
      left(
        into.reduce((sum, stream) => sum + (stream[count] ?? 0), 0),
        14,
      );
    lines.push(
      `  Bad-ipcsum: ${bad('badIp')} Bad-l4csum: ${bad('badL4')}Bad-outer-l4csum: ${bad('badOuterL4')}`,
      `  Bad-outer-ipcsum: ${bad('badOuterIp')}`,
    );
  }
  if (stats.ierrors + stats.rxNombuf > 0) {
    lines.push(`  RX-errors: ${stats.ierrors}`, `  RX-nombufs: ${left(stats.rxNombuf, 14)}`);
  }
  lines.push(sentLine(stats.opackets, dropped));
  const out = streams.filter(({ stream }) => stream.txPort === id).at(-1)?.bursts;
  const last = into.at(-1)?.bursts;
  if (bursts && last) lines.push(...receivedBursts(last));
  if (bursts && out) lines.push(...sentBursts(out));
  lines.push(`  ${DASHES}${'-'.repeat(32)}${DASHES}`);
  return lines.join('\n');
}

const receivedLine = (packets: number, dropped: number) =>
  `  RX-packets: ${left(packets, 14)} RX-dropped: ${left(dropped, 14)}RX-total: ${packets + dropped}`;

const sentLine = (packets: number, dropped: number) =>
  `  TX-packets: ${left(packets, 14)} TX-dropped: ${left(dropped, 14)}TX-total: ${packets + dropped}`;

const right = (value: number) => String(value).padStart(2);

/**
 * Cycles cover bursts that moved packets. Each packet counts once: as sent where the mode makes it, otherwise
 * as received.
 */
function cyclesText(
  { mode, cycles, tscHz }: CoreCycles,
  streams: readonly StreamCounts[],
  received: number,
  sent: number,
): string {
  const packets =
    mode === 'rxonly'
      ? received
      : mode === 'txonly' || mode === 'flowgen'
        ? sent
        : streams.reduce((sum, s) => sum + s.rx, 0);
  const each = packets > 0 ? cycles / packets : 0;
  const mhz = Math.floor(tscHz / 1e6);
  return `\n  CPU cycles/packet=${each.toFixed(2)} (busy cycles=${Math.round(cycles)} / total ${mode} packets=${packets}) at ${mhz} MHz Clock`;
}
