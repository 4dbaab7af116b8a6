// SPDX-License-Identifier: BSD-3-Clause
// What a search found, as lines for people.
import { rateText } from './plan/rate.ts';
import type { LossRow, Rfc2544Row } from './rfc2544-row.ts';
import { doubtsOf, type SearchResult, type Step } from './search.ts';
import { percentText, us } from './text.ts';

export const stepLine = ({ pps, failure, disturbed }: Step): string =>
  `  ${rateText(pps)}: ${failure ?? 'kept to the limits'}${disturbed ? ' (disturbed)' : ''}`;

/** "1.000 Mpps (1.004 Mpps failed), 7 trials", or why there is no rate. */
export function foundText(result: SearchResult): string {
  const { pps, failed, complete, interrupted, steps } = result;
  if (pps === null) return nothingFound(result);
  const above = failed === null ? 'the highest rate that is sent' : `${rateText(failed)} failed`;
  const end = complete ? '' : `; ended early (${interrupted ? 'interrupted' : '--search-time'})`;
  const { disturbed, reliable } = doubtsOf(result);
  const doubt = reliable ? ',' : ', not reliable:';
  const trials = disturbed === 0 ? trialsText(steps.length) : disturbedText(result);
  return `${rateText(pps)} (${above})${doubt} ${trials}${end}`;
}

const trialsText = (n: number): string => (n === 1 ? '1 trial' : `${n} trials`);
const disturbedText = (result: Pick<SearchResult, 'steps'>): string =>
  `${doubtsOf(result).disturbed} of ${trialsText(result.steps.length)} disturbed`;

const TOO_BUSY = 'the machine is too busy, generator and peer need two free CPUs';

/** Of a search in which every trial failed. */
function nothingFound(result: SearchResult): string {
  const { failed, complete, interrupted, steps } = result;
  if (steps.length === 0 || failed === null) return 'none found; interrupted before the first trial ended';
  const { disturbed, reliable } = doubtsOf(result);
  const one = steps.length === 1;
  if (disturbed === steps.length) return `none found; every trial was disturbed: ${TOO_BUSY}`;
  const lowest = rateText(failed);
  const trials = trialsText(steps.length);
  const doubt = reliable ? '' : `, not reliable: ${disturbedText(result)}`;
  const where = one ? `at ${lowest}` : `down to ${lowest}`;
  if (interrupted) return `none found; interrupted after ${trials}, which failed ${where}${doubt}`;
  const end = complete ? '' : '; ended early (--search-time)';
  return `none found; ${one ? trials : `all of ${trials}`} failed ${where}${doubt}${end}`;
}

/** The results of RFC 2544's tests at one size. */
export function rowLines(row: Rfc2544Row): string[] {
  const { size, search, latency, loss, backToBack } = row;
  const lines: string[] = [];
  const add = (what: string, figures: string) =>
    lines.push(`${String(size).padStart(5)} bytes  ${what.padEnd(12)} ${figures}`);
  if (search) add('throughput', foundText(search));
  if (latency) {
    const { minNs, avgNs, p50Ns, p99Ns, maxNs } = latency;
    add(
      'latency',
      `min ${us(minNs)}  avg ${us(avgNs)}  p50 ${us(p50Ns)}  p99 ${us(p99Ns)}  max ${us(maxNs)} us`,
    );
  }
  for (const each of loss ?? []) add('frame loss', lossText(each));
  if (backToBack !== undefined) add('back-to-back', backToBackText(row));
  return lines;
}

/** "1.20 % at 100 % (2.000 Mpps), unsent 0.10 % (disturbed)" */
function lossText({ share, pps, loss, unsent, disturbed }: LossRow): string {
  const left = unsent > 0 ? `, unsent ${percentText(unsent, 1)}` : '';
  return `${percentText(loss, 1)} at ${Math.round(100 * share)} % (${rateText(pps)})${left}${disturbed ? ' (disturbed)' : ''}`;
}

function backToBackText({ backToBack, backToBackLimited, backToBackDisturbed }: Rfc2544Row): string {
  const frames = backToBack === null ? 'none found' : `${backToBack} frames`;
  return `${frames}${backToBackLimited ? ' or more (--trial-time)' : ''}${backToBackDisturbed ? ' (disturbed)' : ''}`;
}
