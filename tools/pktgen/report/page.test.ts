// SPDX-License-Identifier: BSD-3-Clause
// --html: the page of a run and of searches, alone and beside an earlier one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandText } from '../about.ts';
import type { Options } from '../options.ts';
import { ratioText } from './compared.ts';
import { earlierOf } from './earlier.ts';
import { type Json, kindOf } from './json.ts';
import { pageText } from './page.ts';

const latency = { minNs: 500, avgNs: 1500, p50Ns: 1000, p90Ns: 2000, p99Ns: 8000, p999Ns: 9000, maxNs: 9500 };
const counts = { offered: 900, sent: 800, unsent: 100, received: 796, lost: 4, reordered: 3, duplicates: 2 };
const about = {
  ...{ version: '0.1.0', command: "vhost-pci-pktgen --rate '<1>'", started: '2026-01-01T00:00:00Z' },
  machine: { cpu: 'a <CPU>', cpus: 2, kernel: '6.1', node: 'v22', dpdk: null, hugepages: false },
};
const RUN = {
  ...{ seconds: 2, ...counts, latency, txBytes: 64_000, foreign: 0, queueFull: 5 },
  streams: [{ name: 'voice <1>', ...counts, latency: { ...latency, jitterNs: 1 } }],
  rates: [
    { seconds: 1, sentPps: 400, receivedPps: 398 },
    { seconds: 2, sentPps: 400, receivedPps: 398 },
  ],
  percentiles: [
    { percent: 0, ns: 500 },
    { percent: 50, ns: 1000 },
    { percent: 100, ns: 9500 },
  ],
  disturbances: ['disturbed: a & b'],
  failures: [],
  about,
};
const step = { pps: 1000, sent: 100, unsent: 0, received: 100, lost: 0, p99Ns: 4000, failure: null };
const SEARCH = {
  ...{ search: 'ndr', loss: 0, pps: 1000, failed: 1010, complete: true, reliable: true, disturbed: 1, about },
  steps: [{ ...step, pps: 1010, failure: 'lost 5', disturbed: true }, step],
};
const row = { size: 64, highest: 2e6, throughput: 1e6, latency, backToBack: 2000 };
const RFC2544 = {
  rfc2544: [
    {
      ...row,
      loss: [
        { share: 1, pps: 2e6, loss: 0.5 },
        { share: 0.5, pps: 1e6, loss: 0 },
      ],
    },
  ],
  ...{ trialSeconds: 60, about },
};
const ALL: readonly (readonly [string, object])[] = [
  ['run', RUN],
  ['search', SEARCH],
  ['rfc2544', RFC2544],
];

const cellsOf = (page: string, name: string): string[] => {
  const [, rest = ''] = new RegExp(`<tr><td>${name}</td>(.*?)</tr>`).exec(page) ?? [];
  return [...rest.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell = '']) => cell);
};

describe('a page', () => {
  it.each(ALL)('of a %s is complete, and asks nothing of the network', (_, result) => {
    const page = pageText(result, { file: 'old <b>.json', json: result as Json });
    expect(page.replace(/<\/?span>/g, '')).toContain("$ vhost-pci-pktgen --rate '&lt;1&gt;'");
    expect(page).toContain('a &lt;CPU&gt;, 2 CPUs; Linux 6.1; Node v22; no hugepages');
    expect(page).toContain('Earlier: old &lt;b&gt;.json');
    expect(page.match(/<svg /g)?.length).toBeGreaterThan(0);
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|src=|<script|<link|@import|NaN/,
    );
  });

  it.each(ALL)('of a %s has its raw data, for a later --compare', (kind, result) => {
    const page = pageText(result, undefined);
    const [, data = ''] = /data:application\/json;base64,([^"]*)/.exec(page) ?? [];
    const raw = JSON.parse(Buffer.from(data, 'base64').toString());
    expect(raw).toEqual(result);
    expect(kindOf(raw)).toBe(kind);
  });

  it('has the figures of a run, its streams and what disturbed it', () => {
    const page = pageText(RUN, undefined);
    expect(cellsOf(page, 'rate')).toEqual(['400.0 pps']);
    expect(cellsOf(page, 'lost')).toEqual(['4']);
    expect(cellsOf(page, 'latency, p99')).toEqual(['8.00 us']);
    expect(cellsOf(page, 'voice &lt;1&gt;')).toEqual([
      '400.0 pps',
      '800',
      '100',
      '796',
      '4',
      '3',
      '2',
      '0.50',
      '1.00',
      '8.00',
      '9.50',
    ]);
    expect(page).toContain('<li>disturbed: a &amp; b</li>');
    expect(page).not.toContain('earlier');
  });

  it('has two runs side by side, with ratios', () => {
    const then = { ...RUN, sent: 400, lost: 0, streams: [{ ...RUN.streams[0], sent: 1600 }] };
    const page = pageText(RUN, { file: 'old.json', json: then });
    expect(cellsOf(page, 'rate')).toEqual(['400.0 pps', '200.0 pps', '2.00']);
    expect(cellsOf(page, 'lost')).toEqual(['4', '0', '-']);
    // regression: what was sent lay under what came back
    expect(page).toMatch(/<path class="line0"[^>]* stroke-dasharray/);
    // regression: the earlier latencies had the colour of the frames received now
    expect(page.match(/<path class="line\d"/g)).toEqual(
      [1, 3, 0, 2, 1, 3].map((line) => `<path class="line${line}"`),
    );
    const both = page.slice(page.indexOf('Streams of both runs'));
    expect(cellsOf(both, 'voice &lt;1&gt;').slice(0, 3)).toEqual(['400.0 pps', '800.0 pps', '0.500']);
  });

  it('regression: says what of the earlier run was disturbed, and what differs', () => {
    const command = "vhost-pci-pktgen --rate '<1>' --size imix -a '1 2' --poisson --json b.json";
    const now = { ...RUN, about: { ...about, command } };
    const then = { ...RUN, failures: ['lost 3'], about: { ...about, version: '0.0.9' } };
    const page = pageText(now, { file: 'old.json', json: then });
    for (const line of [
      ...['earlier: disturbed: a &amp; b', 'earlier: lost 3', '--size: imix; earlier: not given'],
      ...['-a: 1 2; earlier: not given', '--poisson: given; earlier: not given'],
      'version: 0.1.0; earlier: 0.0.9',
    ])
      expect(page).toContain(`<li>${line}</li>`);
    expect(page).not.toMatch(/<li>--(rate|json)/);
    expect(pageText(RUN, { file: 'old.json', json: RUN })).not.toContain('What differs');
    const search = pageText(SEARCH, { file: 'old.json', json: { ...SEARCH, reliable: false } });
    expect(search).toContain('earlier: Most of the rates that failed did so in disturbed trials only.');
  });

  it('regression: of RFC 2544 marks what was disturbed, now and earlier', () => {
    const loss = { share: 1, pps: 2e6, loss: 0, unsent: 0.6, disturbed: true };
    const shaky = {
      ...{ ...row, loss: [loss, { ...loss, disturbed: false }], backToBackDisturbed: true },
      search: { reliable: false, steps: SEARCH.steps },
    };
    const result = { ...RFC2544, rfc2544: [shaky] };
    const page = pageText(result, { file: 'old.json', json: result as unknown as Json });
    expect(cellsOf(page, '64')).toEqual([
      ...['1.000 Mpps (not reliable)', '2.000 Mpps', '1.00', '8.00'],
      ...['0 % (disturbed)', '60.00 %', '2000 (disturbed)'],
    ]);
    const notes = '64 bytes: disturbed: throughput, 1 of 2 trials; frame loss, 1 of 2 trials; back-to-back';
    for (const run of ['this run', 'earlier']) expect(page).toContain(`<li>${run}, ${notes}</li>`);
    expect(cellsOf(page, '64 bytes, back-to-back frames')).toEqual([
      ...['2000 (disturbed)', '2000 (disturbed)', '1.00'],
    ]);
  });

  it('has the trials of a search, and the figures of RFC 2544', () => {
    const then = { ...SEARCH, pps: 500 };
    const search = pageText(SEARCH, { file: 'old.json', json: then });
    expect(cellsOf(search, 'highest rate that kept to the limits')).toEqual([
      '1.00 kpps',
      '500.0 pps',
      '2.00',
    ]);
    expect(cellsOf(search, '1').at(-1)).toBe('lost 5 (disturbed)');
    const rfc = pageText(RFC2544, { file: 'old.json', json: RFC2544 as unknown as Json });
    expect(cellsOf(rfc, '64')).toEqual(['1.000 Mpps', '2.000 Mpps', '1.00', '8.00', '50.00 %', '-', '2000']);
    expect(cellsOf(rfc, '64 bytes, throughput')).toEqual(['1.000 Mpps', '1.000 Mpps', '1.00']);
  });

  it.each([
    { sent: 1, streams: [] },
    {
      sent: 1,
      streams: [null, 5, { name: 7, sent: 'x', latency: [] }],
      rates: [{}],
      percentiles: 3,
      about: 'x',
    },
    { sent: 1, streams: {}, seconds: 0, latency: null, changes: [{ seconds: '1', change: {} }] },
    {
      sent: 1,
      streams: [],
      rates: [{ seconds: Number.POSITIVE_INFINITY, sentPps: -1 }],
      percentiles: [{ percent: 100, ns: 0 }],
    },
  ])('shows what it can of an earlier file of any kind: %j', (json) => {
    expect(pageText(RUN, { file: 'x', json: json as unknown as Json })).not.toMatch(/NaN|undefined|\[object/);
  });
});

/** More than a call takes as arguments. */
const many = <T>(each: (i: number) => T): T[] => Array.from({ length: 200_000 }, (_, i) => each(i));

describe('regression: an earlier file', () => {
  const rates = many((i) => ({ seconds: i, sentPps: i, receivedPps: i }));
  const percentiles = many((i) => ({ percent: i / 2000, ns: i }));
  it.each([
    ['rates', RUN, { ...RUN, rates }],
    ['percentiles', RUN, { ...RUN, percentiles }],
    ['trials', SEARCH, { ...SEARCH, steps: many(() => step) }],
    ['rates near 0', RUN, { ...RUN, rates: [{ seconds: 1, sentPps: 5e-324 }] }],
  ])('may have any number of %s', (_, result, json) => {
    expect(pageText(result, { file: 'x', json: json as unknown as Json })).toContain('Earlier: x');
  });

  it('is shown beside a run in which nothing was sent', () => {
    const idle = { ...RUN, rates: [{ seconds: 5e-324, sentPps: 5e-324, receivedPps: 0 }] };
    expect(pageText(idle, undefined)).toContain('<svg ');
  });
});

describe('--compare', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = (text: string, options: Partial<Options>) => {
    const compare = join(folder, 'old.json');
    writeFileSync(compare, text);
    return earlierOf({ compare, ...options } as Options);
  };

  it('takes the figures of the same kind', () => {
    expect(earlierOf({} as Options)).toBeUndefined();
    expect(read(JSON.stringify(RUN), {})?.json).toEqual(RUN);
    expect(read(JSON.stringify(SEARCH), { pdr: 0.1 })?.json).toEqual(SEARCH);
    expect(read(JSON.stringify(RFC2544), { rfc2544: ['latency'] })?.json).toEqual(RFC2544);
  });

  it.each([
    ['', {}, 'is not what --json writes'],
    ['[1]', {}, 'is not what --json writes'],
    ['{"rows":[]}', {}, 'is not what --json writes'],
    [JSON.stringify(RUN), { ndr: true }, 'has the figures of a run, not of a search (--ndr, --pdr)'],
    [JSON.stringify(SEARCH), {}, 'has the figures of a search (--ndr, --pdr), not of a run'],
  ])('refuses %s', (text, options, says) => {
    expect(() => read(text, options as Partial<Options>)).toThrow(
      `--compare: ${join(folder, 'old.json')} ${says}`,
    );
  });

  it('has ratios that are short', () => {
    expect([ratioText(1, 3), ratioText(3, 2), ratioText(123, 10), ratioText(12_345, 10)]).toEqual([
      '0.333',
      '1.50',
      '12.3',
      '1235',
    ]);
    expect([ratioText(null, 3), ratioText(1, 0), ratioText(1, null)]).toEqual(['-', '-', '-']);
  });
});

it('the command is as a shell takes it', () => {
  expect(commandText(['--rate', '1mpps', '--capture-filter', "udp port '9'", ''])).toBe(
    "vhost-pci-pktgen --rate 1mpps --capture-filter 'udp port '\\''9'\\''' ''",
  );
});
