// SPDX-License-Identifier: BSD-3-Clause
// What is shown of a run while it lasts: a live page in a terminal, else a line per period.
import { standardOutput } from '../../src/output/text-writer.ts';
import { print, tell } from '../run/output.ts';
import { ControlInput } from './control-line.ts';
import { figuresOnStdout } from './files.ts';
import type { Interrupt } from './interrupt.ts';
import { Keys } from './keys.ts';
import { LivePage, pageLines } from './live.ts';
import type { Options } from './options.ts';
import type { RateControl } from './rate-control.ts';
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
  /** Numbers of the streams that are stopped. */
  stopped: readonly number[];
}

export interface View {
  /** Seconds between two looks. */
  readonly period: number;
  /** Whether it is a page, on which lines do not stay. */
  readonly isPage: boolean;
  show(now: TrialResult): void;
  close(): void;
}

export interface ViewParts {
  readonly state: LiveState;
  readonly control: RateControl;
  readonly interrupt: Interrupt;
}

export const writePage = (text: string): void => standardOutput().stdout.write(text);

/** Whether a live page is shown. */
export const hasPage = (options: Options): boolean =>
  !options.plain && !options.control && LivePage.possible && !figuresOnStdout(options);

/** Prints a line of a run that has no page. */
export const sayFor = (options: Options) => (figuresOnStdout(options) ? tell : print);

export function viewOf(options: Options, parts: ViewParts): View {
  return hasPage(options) ? pageView(parts) : lineView(options, parts);
}

function lineView(options: Options, { state, control, interrupt }: ViewParts): View {
  const say = sayFor(options);
  const input = options.control ? new ControlInput(control, interrupt) : undefined;
  let before: TrialResult | undefined;
  const show = (now: TrialResult) => {
    say(periodLine(now, before, state));
    before = now;
  };
  return { period: options.statsPeriod, isPage: false, show, close: () => input?.close() };
}

export function pageView(
  { state, control, interrupt }: ViewParts,
  page: LivePage = new LivePage(writePage),
): View {
  const keys = new Keys(control, interrupt);
  let [before, last]: (TrialResult | undefined)[] = [];
  const draw = () => {
    if (last === undefined) return;
    const { footer, selected } = keys;
    page.show(pageLines(last, before, { ...state, footer, selected }));
  };
  page.open((typed) => {
    for (const key of typed) keys.press(key);
    draw();
  });
  const show = (now: TrialResult) => {
    [before, last] = [last, now];
    draw();
  };
  return { period: LIVE_PERIOD, isPage: true, show, close: () => page.close() };
}
