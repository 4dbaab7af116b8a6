// SPDX-License-Identifier: BSD-3-Clause
// One run of the command: opens the port, sends, shows, and judges.
import { oneLine, PmdError } from '../../src/errors.ts';
import { requireWritable } from '../../src/user-file.ts';
import { printed, tell } from '../run/output.ts';
import { type About, aboutThisRun } from './about.ts';
import {
  captureFor,
  cpusOf,
  deviceOf,
  interrupted,
  measureMaximum,
  openPortFor,
  replayWorkload,
  startGenerator,
  trialHabits,
  workloadOf,
} from './bench-port.ts';
import { type Capture, type CaptureCounts, captureLines } from './capture.ts';
import { DisturbanceMeter } from './disturbance.ts';
import {
  csvText,
  deliver,
  deliverable,
  deliverFigures,
  figuresOnStdout,
  jsonText,
  requireFigures,
} from './files.ts';
import { gapLogFor, gapsCsv } from './gaps-file.ts';
import type { Generator, Trial } from './generator.ts';
import type { Interrupt } from './interrupt.ts';
import { EMPTY_HGRM } from './latency.ts';
import type { OpenedPort } from './opened-port.ts';
import type { Options } from './options.ts';
import { rateText } from './plan/rate.ts';
import { dropTeller, faultLines } from './port-faults.ts';
import { type Change, changeLine, RateControl } from './rate-control.ts';
import { rehearse } from './rehearse.ts';
import { loadReplay, type Replay } from './replay.ts';
import { type Earlier, earlierOf } from './report/earlier.ts';
import { pageText } from './report/page.ts';
import { type TrialResult, withoutReturns } from './result.ts';
import { streamsOf } from './streams-file.ts';
import { openTelemetry } from './telemetry.ts';
import { summaryLines, verdictLines } from './text.ts';
import { type PeriodRates, Timeline } from './timeline.ts';
import { hasPage, type LiveState, sayFor, viewOf } from './view.ts';
import { flatOut, type Workload } from './workload.ts';

/** Milliseconds until the first look at a capture. */
const FIRST_LOOK_MS = 20;

/** Seconds that sums of periods may be off. */
const PERIOD_SLACK = 1e-6;

/** Returns the exit status. */
export async function run(options: Options, interrupt: Interrupt): Promise<number> {
  const about = aboutThisRun(options.hugepages);
  const { json, csv, hgrm, html, gaps: gapsFile } = options;
  for (const file of [json, csv, hgrm, html, gapsFile]) requireFigures(file);
  const earlier = earlierOf(options);
  if (options.capture !== undefined) requireWritable(options.capture, 'the capture');
  const replay = await interrupt.notDuring(() => replayOf(options));
  const workload = replay
    ? replayWorkload(options, replay)
    : await interrupt.notDuring(async () => workloadOf(options, await streamsOf(options)));
  const opened = await openPortFor(options, interrupt);
  let generator: Generator | undefined;
  let capture: Capture | undefined;
  try {
    capture = captureFor(options, opened);
    const log = replay && options.gaps !== undefined ? gapLogFor(replay.packets * options.loops) : undefined;
    generator = await startGenerator(options, opened, workload, log);
    const pps = await ratesOf(options, workload, generator);
    const own = { seconds: options.warmUp, peer: deviceOf(options) === undefined };
    if (replay) await rehearse(generator, replay, trialOf(options, pps), own);
    else await warmUp(options, workload, generator, pps);
    if (interrupt.raised) throw interrupted();
    const cpus = cpusOf(options);
    const port = opened.port.info.name;
    const head = headline(opened, replay ? replayText(options, replay) : trafficText(workload, pps), cpus);
    tell(head);
    for (const note of workload.notes) tell(note);
    const meter = new DisturbanceMeter(generator.lcore.id);
    const { result, rates, changes, broken } = await traffic(options, generator, trialOf(options, pps), {
      ...{ interrupt, head, capture, workload, port },
    });
    // Awaited: the port and its processes are there until the figures are.
    const plan = replay?.stream.plan.replay;
    const gaps = log && plan ? gapsCsv(log, plan, options.speed ?? 1) : undefined;
    const status = await report(options, result, generator, {
      notes: [...meter.lines(result, cpus), ...faultLines(port, generator.faults.counts())],
      captured: await capture?.end(),
      ...{ gaps, broken, rates, changes, about, earlier },
    });
    if (broken) throw broken;
    return status;
  } finally {
    await generator?.close().catch(() => {});
    await capture?.end();
    await opened.close();
  }
}

/** Whether frames are to come back. */
const returnsOf = (options: Options): boolean =>
  options.return &&
  options.replay === undefined &&
  (deviceOf(options) !== undefined || options.peer === 'echo');

async function ratesOf(options: Options, workload: Workload, generator: Generator): Promise<number[]> {
  if (!workload.needsMaximum) return workload.pps();
  const most = await measureMaximum(options, generator, flatOut(workload.streams));
  tell(`the maximum is ${rateText(most)}`);
  workload.maximum = most;
  return workload.pps();
}

/** Until V8 has compiled both loops; of streams with a count, frames are not sent twice. */
async function warmUp(
  options: Options,
  { streams }: Workload,
  generator: Generator,
  pps: readonly number[],
): Promise<void> {
  const limited = streams.some(({ plan }) => Number.isFinite(plan.count));
  if (limited || options.warmUp === 0) return;
  await generator.run({ ...trialOf(options, pps), seconds: options.warmUp });
}

const trialOf = (options: Options, pps: readonly number[]): Trial => ({
  ...trialHabits(options),
  seconds: options.duration ?? Number.POSITIVE_INFINITY,
  pps,
  ...(options.ping ? { window: 1 } : {}),
});

function headline(
  { port }: OpenedPort,
  traffic: string,
  [cpu, peerCpu]: readonly [number, number | undefined],
): string {
  const peer = peerCpu === undefined ? '' : `; built-in peer, CPU ${peerCpu}`;
  return `${port.info.name}, CPU ${cpu}${peer}: ${traffic}`;
}

function trafficText(workload: Workload, pps: readonly number[]): string {
  const { streams } = workload;
  const total = pps.reduce((sum, rate) => sum + rate, 0);
  const rate = Number.isFinite(total) ? rateText(total) : 'as many frames as the queue accepts';
  return `${rate}, ${streams.length === 1 ? '1 stream' : `${streams.length} streams`}, ${workload.sizeTextAt(pps)}`;
}

/** Undefined if none is wanted. */
function replayOf({ replay, loops, rate }: Options): Replay | undefined {
  if (replay === undefined) return undefined;
  return loadReplay({
    file: replay,
    loops: loops || Number.POSITIVE_INFINITY,
    originalGaps: rate === undefined,
  });
}

function replayText({ rate, speed = 1 }: Options, { packets, cut, omitted, pps }: Replay): string {
  const gaps =
    pps === 0 ? 'all at once' : `${rateText(pps)}${speed === 1 ? '' : ` times ${speed}`}, with their gaps`;
  const how = rate === undefined ? gaps : `at ${rate}`;
  const notes = [
    ...(cut > 0 ? [`${cut} were cut when captured, and are sent so`] : []),
    ...(omitted > 0 ? [`${omitted} are no frames and left out`] : []),
  ];
  return [`${packets === 1 ? '1 packet' : `${packets} packets`} of a capture, ${how}`, ...notes].join('; ');
}

interface Surroundings {
  readonly interrupt: Interrupt;
  readonly head: string;
  readonly capture: Capture | undefined;
  readonly workload: Workload;
  /** Its name. */
  readonly port: string;
}

interface Ended {
  readonly result: TrialResult;
  readonly rates: readonly PeriodRates[];
  readonly changes: readonly Change[];
  /** What broke the run; the figures are then those until it did. */
  readonly broken: Error | undefined;
}

/** Shows what happens until the trial has ended. */
async function traffic(
  options: Options,
  generator: Generator,
  trial: Trial,
  { interrupt, head, capture, workload, port }: Surroundings,
): Promise<Ended> {
  const state: LiveState = { headline: head, returns: returnsOf(options), factor: 1, stopped: [] };
  const control = controlOf(options, generator, workload, state);
  const view = viewOf(options, { state, control, interrupt });
  const telemetry = openTelemetry(options, generator, state);
  capture?.begin();
  generator.begin(trial);
  interrupt.onInterrupt(() => generator.halt());
  const tellDrops = view.isPage ? () => {} : dropTeller(port, generator.faults, tell);
  const timeline = new Timeline();
  try {
    let look = capture ? FIRST_LOOK_MS : Number.POSITIVE_INFINITY;
    let next = view.period;
    while (!generator.done) {
      const untilNext = 1000 * (next - generator.elapsed);
      await generator.changed(Math.min(look, untilNext));
      look = capture?.poll() ?? look;
      tellDrops();
      if (!generator.draining && !generator.done) timeline.take(generator.progress());
      if (generator.elapsed < next || generator.draining || generator.done) continue;
      view.show(generator.read());
      next += view.period * Math.max(1, Math.ceil((generator.elapsed - next) / view.period));
    }
    // The last period ends with the run, and the loop above may have looked before and after only.
    const last = generator.read();
    if (last.seconds > next - PERIOD_SLACK) view.show(last);
  } finally {
    view.close();
  }
  let broken: Error | undefined;
  const result = await generator.end().catch((error: Error) => {
    broken = error;
    return generator.read();
  });
  telemetry?.close();
  if (view.isPage) for (const change of control.changes) sayFor(options)(changeLine(change));
  return { result, rates: timeline.rates(result, state.returns), changes: control.changes, broken };
}

/** What keys and typed lines act on; each change is a line. */
function controlOf(
  options: Options,
  generator: Generator,
  workload: Workload,
  state: LiveState,
): RateControl {
  const hasGaps = options.replay !== undefined && options.rate === undefined;
  const fixed = hasGaps ? 'a replay with its gaps has none' : undefined;
  const control = new RateControl({
    ...{ workload, fixed: options.ping ? '--ping has none' : fixed },
    apply: (pps) => generator.setRates(pps),
    now: () => generator.elapsed,
    report: (change) => {
      state.factor = control.factor;
      state.stopped = control.stopped;
      if (!hasPage(options)) sayFor(options)(changeLine(change));
    },
  });
  return control;
}

interface Circumstances {
  readonly notes: readonly string[];
  readonly captured: CaptureCounts | undefined;
  /** For --gaps. */
  readonly gaps: string | undefined;
  readonly broken: Error | undefined;
  readonly rates: readonly PeriodRates[];
  readonly changes: readonly Change[];
  readonly about: About;
  readonly earlier: Earlier | undefined;
}

async function report(
  options: Options,
  result: TrialResult,
  generator: Generator,
  { notes, captured, gaps, broken, rates, changes, about, earlier }: Circumstances,
): Promise<number> {
  const returns = returnsOf(options);
  const failures = judge(options, result, returns);
  const summary = [
    ...summaryLines(result, returns, options.replay !== undefined),
    ...notes,
    ...(captured ? captureLines(captured) : []),
    ...verdictLines(failures),
  ];
  const figures = returns ? result : withoutReturns(result);
  const returned = options.replay === undefined ? {} : { returned: result.foreign };
  const capture = captured ? { capture: captured } : {};
  const whole = {
    ...{
      ...figures,
      ...returned,
      ...capture,
      changes,
      rates,
      percentiles: returns ? (result.latency?.percentiles() ?? []) : [],
    },
    disturbances: notes,
    portErrors: generator.faults.counts(),
    failures: [...failures, ...(broken ? [oneLine(broken.message)] : [])],
    about,
  };
  await printed();
  let written = deliverFigures(options, {
    json: () => jsonText(whole),
    csv: () => csvText(result),
    hgrm: () => result.latency?.hgrm() ?? EMPTY_HGRM,
    html: () => pageText(whole, earlier),
  });
  if (gaps !== undefined && options.gaps !== undefined)
    written = deliver(gaps, options.gaps, 'csv') && written;
  if (figuresOnStdout(options)) for (const line of summary) tell(line);
  else written = deliver(deliverable(summary), '-', 'txt') && written;
  if (result.sent === 0 && !broken) throw new PmdError('VPCI_NO_TRAFFIC', 'no frame was sent');
  return failures.length === 0 && written && !captured?.failure ? 0 : 1;
}

/** What the run did not keep to. */
function judge({ maxLoss, maxUnsent }: Options, result: TrialResult, returns: boolean): string[] {
  const { lost, sent, unsent, offered } = result;
  const failures: string[] = [];
  const over = (what: string, part: number, whole: number, limit: number | undefined) => {
    if (limit === undefined || part <= limit * whole) return;
    failures.push(`${what} ${part} of ${whole} frames, more than ${100 * limit} %`);
  };
  if (returns) over('lost', lost, sent, maxLoss);
  over('unsent', unsent, offered, maxUnsent);
  return failures;
}
