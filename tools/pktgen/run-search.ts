// SPDX-License-Identifier: BSD-3-Clause
// --ndr, --pdr and --rfc2544: opens the port, searches, and reports.
import { print, printed, tell } from '../run/output.ts';
import { openPortFor, startGenerator, workloadOf } from './bench-port.ts';
import { deliver, deliverable, figuresOnStdout, jsonText, requireFigures } from './files.ts';
import type { Interrupt } from './interrupt.ts';
import type { OpenedPort } from './local-peer.ts';
import type { Options } from './options.ts';
import { rateText } from './plan/rate.ts';
import type { Stream } from './plan/stream.ts';
import { measureSize } from './rfc2544.ts';
import type { Rfc2544Row } from './rfc2544-row.ts';
import { FCS } from './rfc2544-tests.ts';
import { type Doubts, doubtsOf, type SearchResult } from './search.ts';
import { foundText, rowLines } from './search-text.ts';
import { streamsOf } from './streams-file.ts';
import { type Bench, highestOf, search } from './trials.ts';

/** Returns the exit status. */
export async function runSearch(options: Options, interrupt: Interrupt): Promise<number> {
  for (const file of [options.json, options.csv]) requireFigures(file);
  const streams = await streamsOf(options);
  workloadOf(options, streams); // Before anything is started.
  const opened = await openPortFor(options);
  try {
    return options.rfc2544 === undefined
      ? await findRate(options, streams, opened, interrupt)
      : await rfc2544(options, streams, opened, interrupt);
  } finally {
    await opened.close();
  }
}

async function withBench<T>(
  options: Options,
  streams: readonly Stream[],
  opened: OpenedPort,
  interrupt: Interrupt,
  measure: (bench: Bench) => Promise<T>,
): Promise<T> {
  const workload = workloadOf(options, streams);
  const generator = await startGenerator(options, opened, workload);
  interrupt.onInterrupt(() => generator.halt());
  try {
    return await measure({ options, generator, workload, interrupt });
  } finally {
    await generator.close().catch(() => {});
  }
}

async function findRate(
  options: Options,
  streams: readonly Stream[],
  opened: OpenedPort,
  interrupt: Interrupt,
): Promise<number> {
  const loss = options.pdr ?? 0;
  const result = await withBench(options, streams, opened, interrupt, async (bench) => {
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
  const written = deliverAll(options, jsonText(whole), stepsCsv(result), [`${name}: ${foundText(result)}`]);
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

async function rfc2544(
  options: Options,
  streams: readonly Stream[],
  opened: OpenedPort,
  interrupt: Interrupt,
): Promise<number> {
  const rows: Rfc2544Row[] = [];
  const { rfc2544: tests = [], frameSizes } = options;
  for (const size of frameSizes) {
    if (interrupt.raised) break;
    tell(`${size} bytes`);
    const sized = streams.map((stream) => ({ ...stream, size: size - FCS }));
    rows.push(
      await withBench(options, sized, opened, interrupt, (bench) => measureSize(bench, size, tests, tell)),
    );
  }
  await printed();
  const json = jsonText({ rfc2544: rows, trialSeconds: options.trialTime });
  const written = deliverAll(options, json, rowsCsv(rows), rows.flatMap(rowLines));
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
function deliverAll({ json, csv }: Options, jsonResult: string, csvResult: string, lines: string[]): boolean {
  let written = true;
  if (json !== undefined) written = deliver(jsonResult, json, 'json') && written;
  if (csv !== undefined) written = deliver(csvResult, csv, 'csv') && written;
  if (figuresOnStdout({ json, csv })) for (const line of lines) tell(line);
  else written = deliver(deliverable(lines), '-', 'txt') && written;
  return written;
}
