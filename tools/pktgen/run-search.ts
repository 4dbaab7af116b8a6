// SPDX-License-Identifier: BSD-3-Clause
// --ndr, --pdr and --rfc2544: opens the port, searches, and reports.
import { oneLine } from '../../src/errors.ts';
import { print, printed, tell } from '../run/output.ts';
import { type About, aboutThisRun } from './about.ts';
import { openPortFor, startGenerator, workloadOf } from './bench-port.ts';
import { deliver, deliverable, deliverFigures, figuresOnStdout, jsonText, requireFigures } from './files.ts';
import type { Interrupt } from './interrupt.ts';
import type { OpenedPort } from './opened-port.ts';
import { command, type Options } from './options.ts';
import { rateText } from './plan/rate.ts';
import type { Stream } from './plan/stream.ts';
import { type Earlier, earlierOf } from './report/earlier.ts';
import { pageText } from './report/page.ts';
import { measureSize } from './rfc2544.ts';
import type { Rfc2544Row } from './rfc2544-row.ts';
import { FCS } from './rfc2544-tests.ts';
import { type Doubts, doubtsOf, type SearchResult } from './search.ts';
import { foundText, rowLines } from './search-text.ts';
import { streamsOf } from './streams-file.ts';
import { type Bench, highestOf, search } from './trials.ts';

/** Returns the exit status. */
export async function runSearch(options: Options, interrupt: Interrupt): Promise<number> {
  const about = aboutThisRun(options.hugepages);
  for (const file of [options.json, options.csv, options.html]) requireFigures(file);
  const earlier = earlierOf(options);
  const streams = await interrupt.notDuring(async () => {
    const found = await streamsOf(options);
    for (const note of requireStreams(options, found)) tell(note);
    return found;
  });
  const opened = await openPortFor(options, interrupt);
  const context: Context = { options, streams, opened, interrupt, about, earlier, broken: undefined };
  void opened.broken.then((error) => {
    context.broken ??= error;
  });
  try {
    const status = await (options.rfc2544 === undefined ? findRate(context) : rfc2544(context));
    if (context.broken) throw context.broken;
    return status;
  } finally {
    await opened.close();
  }
}

/**
 * Before anything is started. A mistake ends the program with one line, in a size of RFC 2544 too; returns
 * what is to be said of the streams.
 */
function requireStreams(options: Options, streams: readonly Stream[]): string[] {
  const workload = workloadOf(options, streams);
  try {
    workload.requireEndless();
  } catch (error) {
    command.error(`error: ${(error as Error).message}`);
  }
  if (options.rfc2544 === undefined) return workload.notes;
  for (const size of options.frameSizes)
    try {
      workloadOf(options, ofSize(streams, size));
    } catch (error) {
      command.error(`error: --frame-sizes ${size}: ${(error as Error).message}`);
    }
  return [];
}

/** `size` is with FCS. */
const ofSize = (streams: readonly Stream[], size: number): Stream[] =>
  streams.map((stream) => ({ ...stream, size: size - FCS }));

interface Context {
  readonly options: Options;
  readonly streams: readonly Stream[];
  readonly opened: OpenedPort;
  readonly interrupt: Interrupt;
  readonly about: About;
  readonly earlier: Earlier | undefined;
  /** What ended it; the figures are then those until it did. */
  broken: Error | undefined;
}

async function withBench<T>(
  context: Context,
  streams: readonly Stream[],
  measure: (bench: Bench) => Promise<T>,
): Promise<T> {
  const { options, opened, interrupt } = context;
  const workload = workloadOf(options, streams);
  const generator = await startGenerator(options, opened, workload);
  interrupt.onInterrupt(() => generator.halt());
  try {
    return await measure({ options, generator, workload, interrupt });
  } finally {
    context.broken ??= generator.broken;
    await generator.close().catch(() => {});
  }
}

async function findRate(context: Context): Promise<number> {
  const { options, streams } = context;
  const loss = options.pdr ?? 0;
  const result = await withBench(context, streams, async (bench) => {
    const highest = await highestOf(bench);
    tell(
      `searching below ${rateText(highest)}, the most that is sent, with trials of ${options.trialTime} s`,
    );
    return search(bench, highest, loss, figuresOnStdout(options) ? tell : print);
  });
  const name = options.pdr === undefined ? 'NDR' : `PDR (${100 * loss} %)`;
  await printed();
  const doubts = doubtsOf(result);
  const whole = { search: options.pdr === undefined ? 'ndr' : 'pdr', loss, ...doubts, ...result };
  const written = deliverAll(context, whole, stepsCsv(result), [`${name}: ${foundText(result)}`]);
  return written && isSure({ ...result, ...doubts }) ? 0 : 1;
}

const isSure = ({ pps, complete, reliable }: SearchResult & Doubts): boolean =>
  pps !== null && complete && reliable;

const stepsCsv = ({ steps }: SearchResult): string =>
  `pps,sent,unsent,received,lost,p99Ns,failure\n${steps
    .map(
      (s) =>
        `${[s.pps, s.sent, s.unsent, s.received, s.lost, Math.round(s.p99Ns), s.failure ?? ''].join(',')}\n`,
    )
    .join('')}`;

async function rfc2544(context: Context): Promise<number> {
  const { options, streams, interrupt } = context;
  const rows: Rfc2544Row[] = [];
  const { rfc2544: tests = [], frameSizes } = options;
  for (const size of frameSizes) {
    if (interrupt.raised || context.broken) break;
    tell(`${size} bytes`);
    const sized = ofSize(streams, size);
    rows.push(await withBench(context, sized, (bench) => measureSize(bench, size, tests, tell)));
  }
  await printed();
  const whole = { rfc2544: rows, trialSeconds: options.trialTime };
  const written = deliverAll(context, whole, rowsCsv(rows), rows.flatMap(rowLines));
  const found = rows.every((row) => row.search === undefined || isSure(row.search));
  return written && found && rows.length === frameSizes.length ? 0 : 1;
}

function rowsCsv(rows: readonly Rfc2544Row[]): string {
  const lines = rows.map(({ size, highest, throughput, latency, loss, backToBack }) =>
    [size, highest, throughput, latency?.p50Ns, latency?.p99Ns, latency?.maxNs, loss?.[0]?.loss, backToBack]
      .map((figure) => figure ?? '')
      .join(','),
  );
  const head =
    'size,highestPps,throughputPps,latencyP50Ns,latencyP99Ns,latencyMaxNs,lossAtHighest,backToBackFrames';
  return [head, ...lines].map((line) => `${line}\n`).join('');
}

/** False if something went elsewhere. */
function deliverAll(
  { options, about, earlier, broken }: Context,
  found: object,
  csvResult: string,
  lines: string[],
): boolean {
  const whole = { ...found, failures: broken ? [oneLine(broken.message)] : [], about };
  const written = deliverFigures(options, {
    json: () => jsonText(whole),
    csv: () => csvResult,
    html: () => pageText(whole, earlier),
  });
  if (!figuresOnStdout(options)) return deliver(deliverable(lines), '-', 'txt') && written;
  for (const line of lines) tell(line);
  return written;
}
