// SPDX-License-Identifier: BSD-3-Clause
// How exactly a rate is offered, from a slow one to the most that the generator sends, to a peer that only
// receives.
import { framesPerSecond, parseRate, rateText } from '../../pktgen/plan/rate.ts';
import { type Spread, spread } from '../instruments/statistics.ts';
import { fixed } from '../report.ts';
import { type ColumnOf, named, type Table, tableOf } from '../sheet.ts';
import { once, type Plan } from '../suite.ts';
import { type Disturbable, playRounds, type RoundsOf, runPktgen } from './rounds.ts';

interface SentFigures extends Disturbable {
  readonly seconds: number;
  readonly sent: number;
  readonly unsent: number;
  readonly gaps: { readonly medianNs: number; readonly p99Ns: number } | null;
}

export interface RateRow extends RoundsOf<SentFigures> {
  readonly figure: 'rates';
  readonly asked_pps: number;
  readonly sent_pps: number;
  /** Share of the rate by which it was missed. */
  readonly error: Spread;
  /** By how much the time between two frames was wrong. */
  readonly gap_median_us: number;
  readonly gap_p99_us: number;
}

const toSink = ({ settings: { peerCpu } }: Plan, size: number): string[] => [
  ...['--peer', 'sink', '--peer-cpu', `${peerCpu}`, '--size', `${size}`],
];

/** `rate` as the generator's --rate; a share of the maximum is of that measured here. */
export async function measureRate(plan: Plan, name: string, rate: string, size: number): Promise<RateRow> {
  const asked_pps = await ratePps(plan, rate, size);
  const { seconds } = plan.settings;
  const args = [...toSink(plan, size), '--rate', `${asked_pps}`, '--duration', `${seconds}`];
  const play = () => runPktgen<SentFigures>(plan, args);
  const error = ({ sent, seconds: lasted }: SentFigures) => Math.abs(sent / lasted / asked_pps - 1);
  const played = await playRounds(plan, name, play, (round) => {
    const { medianNs = 0, p99Ns = 0 } = round.gaps ?? {};
    return `${rateText(round.sent / round.seconds)}, off by ${percent(error(round))}, gaps by ${us(medianNs)} and ${us(p99Ns)} us`;
  });
  const of = (figure: (round: SentFigures) => number) => spread(played.rounds.map(figure)).median;
  const disturbed_rounds = played.rounds.filter((round) => mayBeOff(round, error(round))).length;
  return {
    ...{ figure: 'rates', ...played, asked_pps, disturbed_rounds, disturbed: disturbed_rounds > 0 },
    sent_pps: of(({ sent, seconds: lasted }) => sent / lasted),
    error: spread(played.rounds.map(error)),
    gap_median_us: of(({ gaps }) => (gaps?.medianNs ?? 0) / 1000),
    gap_p99_us: of(({ gaps }) => (gaps?.p99Ns ?? 0) / 1000),
  };
}

/** Of a rate: less is nothing that a disturbance has done. */
const HARMLESS_ERROR = 0.001;
/** Of the time: with less of it lost, the 99th percentile of the gaps is that of undisturbed ones. */
const HARMLESS_SHARE = 0.01;

/** Whether what disturbed a round may be in its figures: most stalls of some ms are made up for. */
export const mayBeOff = ({ disturbances, stalls }: Disturbable, error: number): boolean =>
  disturbances.length > 0 && (error > HARMLESS_ERROR || stalls.share >= HARMLESS_SHARE);

async function ratePps(plan: Plan, rate: string, size: number): Promise<number> {
  const parsed = parseRate(rate, 'rate');
  const measured =
    parsed.kind === 'share' ? await once(plan, `maximum ${size}`, () => maximum(plan, size)) : 0;
  return Math.round(framesPerSecond(parsed, { meanSize: size, line: 1e10, measured }));
}

async function maximum(plan: Plan, size: number): Promise<number> {
  const args = [...toSink(plan, size), '--rate', 'max', '--duration', '1'];
  const { sent, seconds } = await runPktgen<SentFigures>(plan, args);
  plan.progress(
    `the most that is sent with ${size} bytes, to a peer that only receives: ${rateText(sent / seconds)}`,
  );
  return sent / seconds;
}

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.001 ? 3 : 2)} %`;
export const us = (ns: number): string => fixed(ns / 1000);

export const ratesTable = (rows: readonly RateRow[]): Table =>
  tableOf(
    rows,
    [
      named('rate', (row) => row.case),
      { name: 'asked', of: (row) => row.asked_pps, text: rateText },
      { name: 'sent', of: (row) => row.sent_pps, text: rateText },
      ...errorColumns<RateRow>('off by'),
      { name: 'gaps off by: median', unit: 'us', of: (row) => row.gap_median_us },
      { name: 'p99', unit: 'us', of: (row) => row.gap_p99_us },
      disturbedRounds,
    ],
    { title: 'Rates, to a peer that only receives' },
  );

/** The median, which bears the mark, and the worst of the rounds. */
export const errorColumns = <Row extends { readonly error: Spread; readonly disturbed: boolean }>(
  name: string,
): ColumnOf<Row>[] => [
  {
    ...{ name: `${name}: median`, text: percent },
    of: ({ error }) => error.median,
    marked: ({ disturbed }) => disturbed,
  },
  { name: 'worst', of: ({ error }) => error.max, text: percent },
];

/** "1 of 3". */
export const disturbedRounds: ColumnOf<RoundsOf<unknown>> = {
  name: 'disturbed',
  of: ({ rounds, disturbed_rounds }) => `${disturbed_rounds} of ${rounds.length}`,
};
