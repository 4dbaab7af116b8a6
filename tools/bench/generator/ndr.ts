// SPDX-License-Identifier: BSD-3-Clause
// The search for the highest rate without loss, on a peer that drops what comes above a rate.
import { rateText } from '../../pktgen/plan/rate.ts';
import { type Spread, spread } from '../instruments/statistics.ts';
import { named, type Table, tableOf } from '../sheet.ts';
import type { Plan } from '../suite.ts';
import { disturbedRounds, errorColumns, percent } from './rates.ts';
import { type Disturbable, playRounds, type RoundsOf, runPktgen } from './rounds.ts';

const DROP_ABOVE = 1_000_000;
const NOT_STALLED = { count: 0, longestUs: 0, share: 0 };

interface SearchFigures {
  /** Null if no rate passed. */
  readonly pps: number | null;
  readonly failed: number | null;
  readonly steps: readonly { readonly disturbed: boolean }[];
  readonly disturbed: number;
  readonly reliable: boolean;
}

export interface NdrRow extends RoundsOf<Disturbable & { readonly pps: number }> {
  readonly figure: 'ndr';
  readonly drops_above_pps: number;
  readonly found_pps: number;
  /** Share of the peer's rate by which the one that was found differs. */
  readonly error: Spread;
}

export async function measureNdr(plan: Plan): Promise<NdrRow> {
  const { peerCpu, seconds } = plan.settings;
  const args = ['--ndr', '--drop-above', `${DROP_ABOVE}`, '--peer-cpu', `${peerCpu}`];
  const play = async () => {
    const found = await runPktgen<SearchFigures>(plan, [...args, '--trial-time', `${seconds}`]);
    return { pps: found.pps ?? 0, disturbances: doubts(found), stalls: NOT_STALLED };
  };
  const error = ({ pps }: { pps: number }) => Math.abs(pps / DROP_ABOVE - 1);
  const played = await playRounds(
    plan,
    'ndr',
    play,
    (round) => `${rateText(round.pps)} found, off by ${percent(error(round))}`,
  );
  return {
    ...{ figure: 'ndr', ...played, drops_above_pps: DROP_ABOVE },
    found_pps: spread(played.rounds.map(({ pps }) => pps)).median,
    error: spread(played.rounds.map(error)),
  };
}

const doubts = ({ reliable, disturbed, steps }: SearchFigures): string[] =>
  reliable ? [] : [`disturbed: ${disturbed} of ${steps.length} trials`];

export const ndrTable = (rows: readonly NdrRow[]): Table =>
  tableOf(rows, [
    named('search', () => 'ndr'),
    { name: 'drops above', of: (row) => row.drops_above_pps, text: rateText },
    { name: 'found', of: (row) => row.found_pps, text: rateText },
    ...errorColumns<NdrRow>('off by'),
    disturbedRounds,
  ]);
