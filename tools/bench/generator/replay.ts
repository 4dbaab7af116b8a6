// SPDX-License-Identifier: BSD-3-Clause
// A capture that is replayed to a peer which echoes: whether every packet arrives as it was, and with the
// gaps that it had.
import { FileSink } from '../../../src/capture/block-buffer.ts';
import { PcapWriter } from '../../../src/capture/pcap-writer.ts';
import { CaptureFile } from '../../../src/capture/reader.ts';
import { writePacket } from '../../../src/capture/writer.ts';
import { median } from '../instruments/statistics.ts';
import { fixed, mark, render } from '../report.ts';
import type { Plan } from '../suite.ts';
import { percent, roundsText } from './rates.ts';
import { type Disturbable, playRounds, type RoundsOf, runPktgen } from './rounds.ts';

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

export interface GapsOfReplay {
  readonly packets: number;
  /** Arrived as they were, in order. */
  readonly whole: number;
  /** Share of the gaps that were right. */
  readonly near: number;
  readonly medianUs: number;
  readonly p99Us: number;
}

export interface ReplayRow extends RoundsOf<Disturbable & GapsOfReplay> {
  readonly figure: 'replay';
}

export async function measureReplay(plan: Plan): Promise<ReplayRow> {
  const { settings, workspace } = plan;
  const file = workspace.path('replay');
  writeCapture(file, Math.max(10, Math.round((1e6 * settings.seconds) / MEAN_GAP_US)));
  const sent = packetsOf(file).map(echoed);
  const play = async () => {
    const arrived = workspace.path('arrived');
    const args = ['--replay', file, '--capture', arrived, '--capture-of', 'received'];
    const figures = await runPktgen<Disturbable>(plan, [...args, '--peer-cpu', `${settings.peerCpu}`]);
    return { ...figures, ...compareReplay(sent, packetsOf(arrived)) };
  };
  const played = await playRounds(
    plan,
    'replay',
    play,
    ({ packets, whole, near, medianUs, p99Us }) =>
      `${whole} of ${packets} packets as they were, ${percent(near)} of the gaps within ${NEAR_US} us or 1 %, off by ${fixed(medianUs)} and ${fixed(p99Us)} us`,
  );
  return { figure: 'replay', ...played };
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

const MAC = 6;

/** As the peer sends it back: with its addresses exchanged. */
const echoed = ({ us, bytes }: Packet): Packet => ({
  us,
  bytes: Buffer.concat([bytes.subarray(MAC, 2 * MAC), bytes.subarray(0, MAC), bytes.subarray(2 * MAC)]),
});

/** What arrived against what was to arrive. */
export function compareReplay(sent: readonly Packet[], arrived: readonly Packet[]): GapsOfReplay {
  const errors: number[] = [];
  let near = 0;
  for (let i = 1; i < Math.min(sent.length, arrived.length); i++) {
    const gap = (packets: readonly Packet[]) => (packets[i] as Packet).us - (packets[i - 1] as Packet).us;
    const error = Math.abs(gap(arrived) - gap(sent));
    errors.push(error);
    if (error <= Math.max(NEAR_US, NEAR_SHARE * gap(sent))) near++;
  }
  errors.sort((a, b) => a - b);
  return {
    packets: sent.length,
    whole: sent.filter(({ bytes }, i) => arrived[i]?.bytes.equals(bytes)).length,
    near: near / Math.max(1, sent.length - 1),
    medianUs: errors.length === 0 ? Number.NaN : median(errors),
    p99Us: errors[Math.floor(0.99 * errors.length)] ?? Number.NaN,
  };
}

export function replayTable(rows: readonly ReplayRow[]): string {
  const head = ['replay', 'as they were', 'gaps within 5 us or 1 %', 'off by: median us', 'p99 us'];
  return render(
    [...head, 'disturbed'],
    rows.map((row) => {
      const of = (figure: (round: GapsOfReplay) => number) => median(row.rounds.map(figure));
      return [
        `${row.rounds[0]?.packets} packets`,
        percent(Math.min(...row.rounds.map(({ whole, packets }) => whole / packets))),
        mark(percent(of(({ near }) => near)), row.disturbed),
        ...[fixed(of(({ medianUs }) => medianUs)), fixed(of(({ p99Us }) => p99Us)), roundsText(row)],
      ];
    }),
  );
}
