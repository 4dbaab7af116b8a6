// SPDX-License-Identifier: BSD-3-Clause
// A capture that is replayed by one generator to the far end of another: whether every packet arrives as it
// was, and with the gaps that it had. Both ends say of each packet whether their loop had lost its CPU.
import { readFileSync } from 'node:fs';
import { FileSink } from '../../../src/capture/block-buffer.ts';
import { PcapWriter } from '../../../src/capture/pcap-writer.ts';
import { CaptureFile } from '../../../src/capture/reader.ts';
import { writePacket } from '../../../src/capture/writer.ts';
import { PktgenProcess } from '../../run/pktgen.ts';
import type { Workspace } from '../../run/workspace.ts';
import { median } from '../instruments/statistics.ts';
import { fixed } from '../report.ts';
import { runBoundMs, WARM_UP_SECONDS } from '../settings.ts';
import { type ColumnOf, named, type Table, tableOf } from '../sheet.ts';
import { createLink, endOf } from '../sides/section-files.ts';
import { memoryOf, type Plan } from '../suite.ts';
import { disturbedRounds, percent } from './rates.ts';
import { type Disturbable, playRounds, type RoundsOf, runPktgen } from './rounds.ts';

/** Of each side of the link. */
const SIDE_BYTES = 4 << 20;
/** Microseconds between packets, in turns. */
const GAPS_US = [50, 100, 300, 500, 200];
const MEAN_GAP_US = GAPS_US.reduce((sum, gap) => sum + gap, 0) / GAPS_US.length;
const [SMALLEST, SIZES] = [60, 1400];
/** A gap is right within so many microseconds, or within this share. */
const NEAR_US = 5;
const NEAR_SHARE = 0.01;

interface Packet {
  readonly us: number;
  readonly bytes: Buffer;
}

/** How near gaps were. */
export interface Gaps {
  readonly samples: number;
  /** Share of them that were right. */
  readonly near: number;
  /**
   * Gaps in which no loop had lost its CPU, and the share of those that were right; null if there were none.
   */
  readonly undisturbed: number;
  readonly nearUndisturbed: number | null;
  /** Times that the loop lost its CPU. */
  readonly away: number;
}

export interface GapsOfReplay extends Omit<Gaps, 'samples' | 'away'> {
  readonly packets: number;
  /** Arrived as they were, in order. */
  readonly whole: number;
  readonly medianUs: number;
  readonly p99Us: number;
}

/** What arrived, and how it was sent; null if no gap could be judged. */
interface Replayed extends GapsOfReplay {
  readonly sender: Gaps | null;
  /** Of the far end's loop alone. */
  readonly away: number;
}

export interface ReplayRow extends RoundsOf<Disturbable & Replayed> {
  readonly figure: 'replay';
}

interface EndFigures extends Disturbable {
  readonly gaps: Gaps | null;
}

export async function measureReplay(plan: Plan): Promise<ReplayRow> {
  const { settings, workspace } = plan;
  const file = workspace.path('replay');
  writeCapture(file, Math.max(10, Math.round((1e6 * settings.seconds) / MEAN_GAP_US)));
  const memory = await memoryOf(plan);
  const played = await playRounds(plan, 'replay', () => replayOnce(plan, file, memory), roundText);
  return { figure: 'replay', ...played };
}

async function replayOnce(plan: Plan, file: string, memory: Workspace): Promise<Disturbable & Replayed> {
  const { settings, workspace } = plan;
  const link = createLink(memory, SIDE_BYTES);
  const [arrived, sentGaps, farGaps] = ['arrived', 'sent', 'far'].map((name) => workspace.path(name));
  const far = new PktgenProcess({
    args: [
      ...['--reflect', '--replay', file, '--capture', `${arrived}`, '--gaps', `${farGaps}`],
      ...['--vdev', endOf(link, 1, 0), '--cpu', `${settings.peerCpu}`],
    ],
    json: workspace.path('far'),
    maxRunMs: runBoundMs(settings),
  });
  try {
    // Each waits for the other's end of the link; the far end is ready first.
    const warmUp = ['--warm-up', `${WARM_UP_SECONDS}`];
    const args = ['--replay', file, '--gaps', `${sentGaps}`, '--vdev', endOf(link, 0, 0), ...warmUp];
    const { gaps, ...sender } = await runPktgen<EndFigures>(plan, args);
    far.signal('SIGINT');
    const there = await far.figures<{ readonly gaps: Gaps | null }>();
    const lost = new Set([...lossesOf(`${sentGaps}`), ...lossesOf(`${farGaps}`)]);
    const gapsThere = compareReplay(packetsOf(file), packetsOf(`${arrived}`), (packet) => lost.has(packet));
    return { ...sender, sender: gaps, ...gapsThere, away: there.gaps?.away ?? 0 };
  } finally {
    await far.stop();
  }
}

function roundText({ packets, whole, sender, medianUs, p99Us, ...there }: Replayed): string {
  return (
    `${whole} of ${packets} packets as they were, ${nearText(there)} of the gaps within ${NEAR_US} us or 1 %, ` +
    `off by ${fixed(medianUs)} and ${fixed(p99Us)} us; ${sender === null ? 'none' : nearText(sender)} as sent; ` +
    `the loops lost their CPUs ${sender?.away ?? 0} and ${there.away} times`
  );
}

/** "99.95 % of 1234 undisturbed, 96.00 % of all". */
function nearText({
  near,
  undisturbed,
  nearUndisturbed,
}: Pick<Gaps, 'near' | 'undisturbed' | 'nearUndisturbed'>) {
  const kept = nearUndisturbed === null ? 'none' : percent(nearUndisturbed);
  return `${kept} of ${undisturbed} undisturbed, ${percent(near)} of all`;
}

/** Numbers of the packets since whose predecessor a loop had lost its CPU, by the last column of --gaps. */
function lossesOf(file: string): number[] {
  const [, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  return lines.filter((line) => line.endsWith(',1')).map((line) => Number.parseInt(line, 10));
}

function writeCapture(file: string, packets: number): void {
  const sink = new FileSink(file);
  const writer = new PcapWriter({ sink: sink.write, interfaces: [{}] });
  let at = 0;
  for (let i = 0; i < packets; i++) {
    const length = SMALLEST + (i % SIZES);
    const bytes = Uint8Array.from({ length }, (_, k) => (i * 31 + k * 7) & 0xff);
    const time = { seconds: 1000 + Math.floor(at / 1e6), nanoseconds: 1000 * (at % 1e6) };
    writePacket(
      writer,
      { length, originalLength: length, ...time, interfaceId: 0, direction: 'unknown' },
      bytes,
    );
    at += GAPS_US[i % GAPS_US.length] as number;
  }
  writer.flush();
  sink.close();
}

function packetsOf(file: string): Packet[] {
  const capture = CaptureFile.open(file);
  const packets: Packet[] = [];
  for (let packet = capture.next(); packet; packet = capture.next()) {
    const { bytes, offset, length, seconds, nanoseconds } = packet;
    packets.push({
      us: seconds * 1e6 + nanoseconds / 1000,
      bytes: Buffer.from(bytes.slice(offset, offset + length)),
    });
  }
  capture.close();
  return packets;
}

/** What arrived against what was to arrive; `disturbed` says of a packet whether a loop had lost its CPU. */
export function compareReplay(
  sent: readonly Packet[],
  arrived: readonly Packet[],
  disturbed: (packet: number) => boolean,
): GapsOfReplay {
  const errors: number[] = [];
  const [right, kept, rightOfKept] = [new Set<number>(), new Set<number>(), new Set<number>()];
  for (let i = 1; i < Math.min(sent.length, arrived.length); i++) {
    const gap = (packets: readonly Packet[]) => (packets[i] as Packet).us - (packets[i - 1] as Packet).us;
    const error = Math.abs(gap(arrived) - gap(sent));
    errors.push(error);
    if (error <= Math.max(NEAR_US, NEAR_SHARE * gap(sent))) right.add(i);
    if (!disturbed(i)) kept.add(i);
    if (kept.has(i) && right.has(i)) rightOfKept.add(i);
  }
  errors.sort((a, b) => a - b);
  return {
    packets: sent.length,
    whole: sent.filter(({ bytes }, i) => arrived[i]?.bytes.equals(bytes)).length,
    near: right.size / Math.max(1, sent.length - 1),
    undisturbed: kept.size,
    nearUndisturbed: kept.size > 0 ? rightOfKept.size / kept.size : null,
    medianUs: errors.length === 0 ? Number.NaN : median(errors),
    p99Us: errors[Math.floor(0.99 * errors.length)] ?? Number.NaN,
  };
}

export function replayTable(rows: readonly ReplayRow[]): Table {
  const medianOf = (
    name: string,
    figure: (round: Replayed) => number,
    more: Partial<ColumnOf<ReplayRow>> = { text: percent },
  ): ColumnOf<ReplayRow> => ({ name, of: ({ rounds }) => median(rounds.map(figure)), ...more });
  return tableOf(rows, [
    named('replay', ({ rounds }) => `${rounds[0]?.packets} packets`),
    {
      ...{ name: 'as they were', text: percent },
      of: ({ rounds }) => Math.min(...rounds.map(({ whole, packets }) => whole / packets)),
    },
    medianOf('gaps within 5 us or 1 %: undisturbed', ({ nearUndisturbed }) => nearUndisturbed ?? 0),
    medianOf('all', ({ near }) => near, { text: percent, marked: ({ disturbed }) => disturbed }),
    medianOf('as sent: undisturbed', ({ sender }) => sender?.nearUndisturbed ?? 0),
    medianOf('all', ({ sender }) => sender?.near ?? 0),
    medianOf('off by: median', ({ medianUs }) => medianUs, { unit: 'us' }),
    medianOf('p99', ({ p99Us }) => p99Us, { unit: 'us' }),
    disturbedRounds,
  ]);
}
