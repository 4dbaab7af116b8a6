// SPDX-License-Identifier: BSD-3-Clause
// Figures as lines for people.

import { L1_OVERHEAD, rateText } from './plan/rate.ts';
import { namesText } from './rate-control.ts';
import type { Counts, GapSummary, LatencySummary, StreamResult, TrialResult } from './result.ts';

export const us = (ns: number): string => (ns / 1000).toFixed(ns < 99_950 ? 2 : ns < 999_500 ? 1 : 0);

export const timesText = (n: number): string => (n === 1 ? 'once' : `${n} times`);

export function bitsText(bits: number): string {
  if (bits >= 1e9) return `${(bits / 1e9).toFixed(2)} Gbit/s`;
  if (bits >= 1e4 || bits === 0) return `${(bits / 1e6).toFixed(2)} Mbit/s`;
  return `${Number(bits.toPrecision(3))} bit/s`;
}

export const percentText = (part: number, whole: number): string => {
  if (part === 0 || whole === 0) return '0 %';
  const percent = (100 * part) / whole;
  return `${percent < 0.01 ? percent.toExponential(1) : percent.toFixed(percent < 1 ? 4 : 2)} %`;
};

/** Names the streams that are stopped, where there are others. A viewer may not know all streams. */
export function stoppedText(streams: readonly StreamResult[], stopped: readonly number[]): string[] {
  if (stopped.length === 0) return [];
  if (streams.length === 1 && stopped.length === 1 && stopped[0] === 0) return ['stopped'];
  return [`stopped: ${namesText(stopped.map((i) => streams[i]?.name ?? String(i)))}`];
}

/** "t=1 s  sent 1.000 Mpps  received 1.000 Mpps  unsent 0  away 3  p50 1.21 us  p99 3.10 us  stopped: 2" */
export function periodLine(
  now: TrialResult,
  before: TrialResult | undefined,
  { returns, stopped }: { readonly returns: boolean; readonly stopped: readonly number[] },
): string {
  const elapsed = now.seconds - (before?.seconds ?? 0);
  const rate = (key: 'sent' | 'received') =>
    rateText(elapsed > 0 ? (now[key] - (before?.[key] ?? 0)) / elapsed : 0);
  const words = [`t=${now.seconds.toFixed(1).replace(/\.0$/, '')} s`, `sent ${rate('sent')}`];
  if (returns) words.push(`received ${rate('received')}`);
  words.push(`unsent so far ${now.unsent}`);
  if (returns) words.push(`away or lost ${now.inFlight + now.lost}`);
  if (returns && now.latency)
    words.push(`p50 ${us(now.latency.p50Ns)} us`, `p99 ${us(now.latency.p99Ns)} us`);
  return [...words, ...stoppedText(now.streams, stopped)].join('  ');
}

export function latencyLine(latency: LatencySummary): string {
  const { minNs, avgNs, p50Ns, p90Ns, p99Ns, p999Ns, maxNs, jitterNs } = latency;
  const figures = { min: minNs, avg: avgNs, p50: p50Ns, p90: p90Ns, p99: p99Ns, 'p99.9': p999Ns, max: maxNs };
  const words = Object.entries({ ...figures, jitter: jitterNs }).map(([name, ns]) => `${name} ${us(ns)}`);
  return `latency (us): ${words.join('  ')}`;
}

/** "… within 5 us or 1 %: 99.97 % of 1234 undisturbed, 98.6 % of all 1300; preempted …" */
export function gapLine({ samples, medianNs, p99Ns, away, ...shares }: GapSummary): string {
  const { near, undisturbed, nearUndisturbed } = shares;
  const off = `gaps between frames: off by ${us(medianNs)} us (median), ${us(p99Ns)} us (p99)`;
  if (undisturbed === samples) return `${off}; within 5 us or 1 %: ${shareText(near)} of ${samples}`;
  const kept =
    nearUndisturbed === null
      ? 'none undisturbed'
      : `${shareText(nearUndisturbed)} of ${undisturbed} undisturbed`;
  return `${off}; within 5 us or 1 %: ${kept}, ${shareText(near)} of all ${samples}; preempted ${timesText(away)} for 3 us or more`;
}

/** A share near 1: not rounded up to it. */
const shareText = (share: number): string => `${share === 1 ? 100 : Math.floor(1e4 * share) / 100} %`;

/** All figures of a run, a line each. */
export function summaryLines(result: TrialResult, returns: boolean, replayed = false): string[] {
  const { seconds, sent, offered, unsent, txBytes, latency, gaps, streams, foreign } = result;
  const rate = seconds > 0 ? sent / seconds : 0;
  const wire = seconds > 0 ? (8 * (txBytes + L1_OVERHEAD * sent)) / seconds : 0;
  const lines = [
    `sent ${sent} of ${offered} due in ${seconds.toFixed(3)} s: ${rateText(rate)}, ${bitsText(seconds > 0 ? (8 * txBytes) / seconds : 0)} (${bitsText(wire)} on a wire), unsent ${unsent} (${percentText(unsent, offered)})`,
  ];
  if (returns) {
    lines.push(returnLine(result));
    if (latency) lines.push(latencyLine(latency));
  }
  if (gaps) lines.push(gapLine(gaps));
  if (replayed) lines.push(`came back: ${foreign} (packets of a capture carry no numbers)`);
  else if (foreign > 0) lines.push(`foreign frames received: ${foreign}`);
  if (streams.length > 1) for (const stream of streams) lines.push(streamLine(stream, seconds, returns));
  return lines;
}

/** Frames are in flight only where something broke the run before the drain was over. */
const inFlightText = ({ inFlight }: Counts): string => (inFlight > 0 ? `, in flight ${inFlight}` : '');

function returnLine(result: TrialResult): string {
  const { received, lost, sent, reordered, duplicates } = result;
  return `received ${received}, lost ${lost} (${percentText(lost, sent)})${inFlightText(result)}, out of order ${reordered}, duplicates ${duplicates}`;
}

function streamLine(stream: StreamResult, seconds: number, returns: boolean): string {
  const { name, sent, unsent, received, lost, reordered, duplicates, latency } = stream;
  const words = [
    `stream ${name}: sent ${sent} (${rateText(seconds > 0 ? sent / seconds : 0)})`,
    `unsent ${unsent}`,
  ];
  if (returns) {
    words.push(
      `received ${received}`,
      `lost ${lost}${inFlightText(stream)}`,
      `out of order ${reordered}`,
      `duplicates ${duplicates}`,
    );
    if (latency) words.push(`p50 ${us(latency.p50Ns)} us`, `p99 ${us(latency.p99Ns)} us`);
  }
  return words.join(', ');
}

export const verdictLines = (failures: readonly string[]): string[] =>
  failures.map((failure) => `FAILED: ${failure}`);
