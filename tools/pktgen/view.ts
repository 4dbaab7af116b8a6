// SPDX-License-Identifier: BSD-3-Clause
// What is shown of a run while it lasts: a live page in a terminal, else a line per period.
import { standardOutput } from '../../src/output/text-writer.ts';
import { print, tell } from '../run/output.ts';
import { figuresOnStdout } from './files.ts';
import type { Generator, Trial } from './generator.ts';
import type { Interrupt } from './interrupt.ts';
import { keyPressed, LivePage, pageLines } from './live.ts';
import type { Options } from './options.ts';
import type { TrialResult } from './result.ts';
import { periodLine } from './text.ts';

/** Seconds between two pictures of the live page. */
export const LIVE_PERIOD = 0.5;

/** What a viewer has to know beside the figures. */
export interface LiveState {
  readonly headline: string;
  /** Whether frames are to come back. */
  readonly returns: boolean;
  /** By which keys have changed the rate. */
  factor: number;
}

export interface View {
  /** Seconds between two looks. */
  readonly period: number;
  show(now: TrialResult): void;
  close(): void;
}

export const writePage = (text: string): void => standardOutput().stdout.write(text);

export function viewOf(
  options: Options,
  generator: Generator,
  trial: Trial,
  state: LiveState,
  interrupt: Interrupt,
): View {
  let before: TrialResult | undefined;
  if (options.plain || !LivePage.possible || figuresOnStdout(options)) {
    const say = figuresOnStdout(options) ? tell : print;
    const show = (now: TrialResult) => {
      say(periodLine(now, before, state.returns));
      before = now;
    };
    return { period: options.statsPeriod, show, close: () => {} };
  }
  const page = new LivePage(writePage);
  page.open((key) => {
    const change = keyPressed(key, state.factor);
    if (change === 'end') interrupt.raise();
    else if (change !== undefined) {
      state.factor = change;
      generator.setRates(trial.pps.map((pps) => pps * change));
    }
  });
  const show = (now: TrialResult) => {
    page.show(pageLines(now, before, state));
    before = now;
  };
  return { period: LIVE_PERIOD, show, close: () => page.close() };
}
