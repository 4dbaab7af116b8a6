// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type Chart, chartSvg } from './bars.ts';
import { type LineChart, lineSvg } from './lines.ts';
import { commandHtml, htmlPage, tableHtml } from './page.ts';
import { scaleFor } from './scale.ts';
import { expectReadable } from './text-places.test-help.ts';

const spread = (median: number, min = median, max = median) => ({ median, min, max });
const CHART: Chart = {
  title: 'a < b & "c"',
  unit: 'Mpps',
  groups: ['rx-64', 'tx-64'],
  series: [
    { name: 'ours', values: [spread(8, 7, 9), spread(4)] },
    { name: 'theirs', values: [spread(2), null] },
  ],
};
const NOTED: Chart = {
  ...CHART,
  title: 'With a note',
  groups: ['rx-64*', 'tx-64'],
  note: '* disturbed: something else used a CPU, or the machine changed its speed',
};
const LONG: Chart = {
  ...CHART,
  title: 'Two VM ends: this driver and Open vSwitch with DPDK, two CPUs each',
  groups: ['throughput of two guests'],
  series: [
    { name: 'ours', values: [spread(12_345)] },
    { name: 'theirs', values: [spread(0.000456)] },
  ],
};

describe('a chart', () => {
  const svg = chartSvg(CHART);

  it('has a bar for each value and an error bar for each range', () => {
    expect(svg.match(/<rect [^>]*fill="#(0b6e4f|c8553d)"/g)).toHaveLength(3 + CHART.series.length);
    expect(svg.match(/<path /g)).toHaveLength(1);
  });

  it('escapes names, and asks nothing of the network', () => {
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|href|<script/);
  });

  it('has room for its highest error bar', () => {
    expect(svg).toContain('>10</text>');
  });

  it('has a note below the names of its groups', () => {
    expect(chartSvg(NOTED).replace(/<[^>]*>|\n/g, ' ')).toMatch(/rx-64\* .*tx-64 +\* disturbed: something/);
  });

  it('of nothing is empty axes', () => {
    expect(chartSvg({ ...CHART, groups: [], series: [] })).not.toContain('NaN');
  });

  it.each([CHART, LONG, NOTED])(
    'regression: no text of $title leaves the picture or lies on another',
    (chart) => {
      expectReadable(chartSvg(chart));
    },
  );

  it('regression: ends where its last group ends, however long its title is', () => {
    const [first, last] = [chartSvg(CHART), chartSvg({ ...CHART, title: LONG.title })].map((each) =>
      Number(/viewBox="0 0 (\d+) /.exec(each)?.[1]),
    );
    expect(first).toBe(last);
  });
});

describe('a line chart', () => {
  const RATES: LineChart = {
    ...{ title: 'Frames per second', unit: 'kpps', across: 'seconds' },
    curves: [
      {
        name: 'sent',
        points: [
          [0.25, 100],
          [0.5, 120],
          [7.3, 90],
        ],
      },
      { name: 'a < b', points: [[1, 1]] },
      {
        name: 'received',
        points: [
          [0, 20],
          [7.3, 10],
        ],
        dashed: true,
        series: 3,
      },
    ],
    marks: [
      { at: 1, name: '1' },
      { at: 7.3, name: '2' },
    ],
  };
  const PERCENTILES: LineChart = {
    ...{ title: 'Latency', unit: 'us', across: 'percentile', logarithmic: true },
    places: [
      { at: 0, name: '0' },
      { at: 0.01, name: 'too near' },
      { at: 6, name: '99.9999 of 100' },
    ],
    curves: [
      {
        name: 'all',
        points: [
          [0, 0.4],
          [6, 99_000],
        ],
      },
      {
        name: 'dots',
        points: [
          [2, 3],
          [3, 4],
        ],
        dots: true,
      },
    ],
  };

  it.each([RATES, PERCENTILES])('has texts that can be read: $title', (chart) => {
    expectReadable(lineSvg(chart));
  });

  it('joins the points of a curve, and marks what is none', () => {
    const svg = lineSvg(RATES);
    expect(svg.match(/<path class="line\d" /g)).toEqual(['<path class="line0" ', '<path class="line3" ']);
    expect(svg.match(/<circle class="series1" /g)).toHaveLength(1);
    expect(svg).toContain('a &lt; b');
    expect(lineSvg(PERCENTILES).match(/<circle /g)).toHaveLength(2);
  });

  it('regression: has a dashed key for a dashed curve', () => {
    const svg = lineSvg(RATES);
    expect(svg.match(/<(line|rect) class="(line|series)\d"/g)).toEqual([
      ...['<rect class="series0"', '<rect class="series1"', '<line class="line3"'],
    ]);
    expect(svg).toMatch(/<line class="line3"[^>]* stroke-dasharray/);
  });

  it('regression: draws a dashed curve above the others', () => {
    const [first, , last] = RATES.curves;
    const svg = lineSvg({ ...RATES, curves: [{ ...last, series: 3 }, first] as LineChart['curves'] });
    expect(svg.match(/<path class="line\d" /g)).toEqual(['<path class="line1" ', '<path class="line3" ']);
  });

  it('has places in the proportions of values: the highest at the top, zero at the bottom', () => {
    const svg = lineSvg({
      ...RATES,
      curves: [
        {
          name: 'a',
          points: [
            [0, 0],
            [5, 100],
            [10, 50],
          ],
        },
      ],
      marks: [],
    });
    const [, path = ''] = /<path class="line0" d="M([^"]*)"/.exec(svg) ?? [];
    const points = path.split('L').map((point) => point.split(' ').map(Number)) as [number, number][];
    const [[x0, y0] = [0, 0], [x1, y1] = [0, 0], [x2, y2] = [0, 0]] = points;
    expect([x1 - x0, y0 - y1]).toEqual([x2 - x1, 2 * (y0 - y2)]);
    expect(y0 - y1).toBe(220);
  });

  it('has powers of ten at equal distances on a logarithmic axis', () => {
    const svg = lineSvg({
      ...PERCENTILES,
      curves: [
        {
          name: 'a',
          points: [
            [0, 1],
            [3, 10],
            [6, 100],
          ],
        },
      ],
    });
    const [, path = ''] = /<path class="line0" d="M([^"]*)"/.exec(svg) ?? [];
    const heights = path.split('L').map((point) => Number(point.split(' ')[1])) as [number, number, number];
    expect(heights[0] - heights[1]).toBe(heights[1] - heights[2]);
  });

  it('of nothing is empty axes', () => {
    for (const chart of [RATES, PERCENTILES])
      expect(lineSvg({ ...chart, curves: [], marks: [] })).not.toMatch(/NaN|Infinity/);
  });
});

describe('a page', () => {
  it('escapes what it is given as text, and asks nothing of the network', () => {
    const page = htmlPage('<b>', tableHtml({ head: ['<i>', ''], rows: [['<script>', '&']] }));
    expect(page).not.toMatch(/<b>|<i>|<script>|https?:|src=/);
    expect(page).toContain('<td>&lt;script&gt;</td><td>&amp;</td>');
    expect(page).toContain("default-src 'none'");
  });

  it('regression: does not break an option at its hyphens', () => {
    expect(commandHtml("a --trial-time 3 '<'")).toBe(
      '<pre class="command">$ a <span>--trial-time</span> 3 \'&lt;\'</pre>',
    );
  });
});

describe('the scale of an axis', () => {
  it.each([
    [9, ['0', '2', '4', '6', '8', '10']],
    [2.5, ['0', '0.5', '1', '1.5', '2', '2.5']],
    [2.4, ['0', '0.5', '1', '1.5', '2', '2.5']],
    [0.3, ['0', '0.1', '0.2', '0.3']],
    [11, ['0', '5', '10', '15']],
    [1000, ['0', '200', '400', '600', '800', '1000']],
    [0.0004, ['0', '0.0001', '0.0002', '0.0003', '0.0004']],
    [0, ['0', '0.2', '0.4', '0.6', '0.8', '1']],
  ])('to %s has round steps', (most, ticks) => {
    expect(scaleFor(most)).toEqual({ top: Number(ticks.at(-1)), ticks });
  });
});
