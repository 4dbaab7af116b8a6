// SPDX-License-Identifier: BSD-3-Clause
// The tests of RFC 2544, 26.1 to 26.4, for each frame size: throughput, latency, frame loss rate,
// back-to-back frames. Trials are as long as --trial-time; the RFC wants 60 s.
import { outcomeOf } from './outcome.ts';
import type { LossRow, Rfc2544Row } from './rfc2544-row.ts';
import type { Rfc2544Test } from './rfc2544-tests.ts';
import { doubtsOf, type Outcome } from './search.ts';
import { type Bench, highestOf, search, trialAt } from './trials.ts';

/** Section 26.3: steps of at most 10 %, until two trials without loss. */
const LOSS_STEP = 0.1;

/** Runs the tests that are wanted at one size. */
export async function measureSize(
  bench: Bench,
  size: number,
  tests: readonly Rfc2544Test[],
  say: (line: string) => void,
): Promise<Rfc2544Row> {
  const row = { size, highest: await highestOf(bench) };
  try {
    await measureRow(bench, row, tests, say);
  } catch (error) {
    // What was measured until it broke is kept.
    if (bench.generator.broken === undefined) throw error;
  }
  return row;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

async function measureRow(
  bench: Bench,
  row: Mutable<Rfc2544Row>,
  tests: readonly Rfc2544Test[],
  say: (line: string) => void,
): Promise<void> {
  const isOver = () => bench.interrupt.raised;
  const wants = (test: Rfc2544Test) => tests.includes(test) && !isOver();
  const { highest } = row;
  if (wants('throughput') || wants('latency')) {
    const found = await search(bench, highest, 0, say);
    row.throughput = found.pps;
    row.search = { ...found, ...doubtsOf(found) };
  }
  if (wants('latency') && row.throughput) {
    const { latency } = await trialAt(bench, row.throughput);
    if (!isOver()) row.latency = latency;
  }
  if (wants('loss')) row.loss = await lossRates(bench, highest);
  if (wants('back-to-back')) {
    const train = await backToBack(bench, highest);
    if (!isOver()) Object.assign(row, train);
  }
}

async function lossRates(bench: Bench, highest: number): Promise<LossRow[]> {
  const rows: LossRow[] = [];
  for (let step = 0; step < 1 / LOSS_STEP; step++) {
    const share = 1 - step * LOSS_STEP;
    const outcome = outcomeOf(await trialAt(bench, share * highest));
    if (bench.interrupt.raised) break;
    rows.push(lossRow(share, share * highest, outcome));
    if (endsLoss(rows, bench.options.qFull)) break;
  }
  return rows;
}

/** Section 26.3: of the frames that were offered to the device, those that it did not forward. */
export function lossRow(share: number, pps: number, outcome: Outcome): LossRow {
  const { offered, sent, unsent, lost, disturbed } = outcome;
  return { share, pps, loss: lost / (sent || 1), unsent: unsent / (offered || 1), disturbed };
}

/** Two successive trials without loss, whose rates were offered: at most the share `qFull` was unsent. */
export const endsLoss = (rows: readonly LossRow[], qFull: number): boolean =>
  rows.length > 1 && rows.slice(-2).every(({ loss, unsent }) => loss === 0 && unsent <= qFull);

/** The longest train of frames, to a per cent. */
async function backToBack(bench: Bench, highest: number): Promise<Partial<Rfc2544Row>> {
  const streams = bench.workload.streams.length;
  const most = Math.floor((highest * bench.options.trialTime) / streams);
  let backToBackDisturbed = false;
  const passes = async (frames: number) => {
    const { lost, disturbed } = outcomeOf(await trialAt(bench, Number.POSITIVE_INFINITY, frames));
    if (lost > 0 && disturbed) backToBackDisturbed = true;
    return lost === 0;
  };
  if (await passes(most)) return { backToBack: most * streams, backToBackLimited: true, backToBackDisturbed };
  let [low, high] = [0, most];
  while (high - low > Math.max(1, high / 100) && !bench.interrupt.raised) {
    const middle = Math.floor((low + high) / 2);
    if (await passes(middle)) low = middle;
    else high = middle;
  }
  return { backToBack: low * streams || null, backToBackLimited: false, backToBackDisturbed };
}
