// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { scaleFor } from './chart-scale.ts';
import { type Chart, chartSvg } from './charts.ts';

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
const LONG: Chart = {
  ...CHART,
  title: 'Two VM ends: this driver and Open vSwitch with DPDK, two CPUs each',
  groups: ['throughput of two guests'],
  series: [
    { name: 'ours', values: [spread(12_345)] },
    { name: 'theirs', values: [spread(0.000456)] },
  ],
};

/** Texts with their places, by the widest letters of a common font. */
function texts(svg: string): { words: string; from: number; to: number; y: number }[] {
  return [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" [^>]*?font-size="(\d+)"([^>]*)>([^<]*)</g)].map(
    ([, x, y, size, more = '', words = '']) => {
      const width = words.length * Number(size) * (more.includes('600') ? 0.68 : 0.62);
      const share = more.includes('middle') ? 0.5 : more.includes('end') ? 1 : 0;
      const from = Number(x) - share * width;
      return { words, from, to: from + width, y: Number(y) };
    },
  );
}

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

  it('of nothing is empty axes', () => {
    expect(chartSvg({ ...CHART, groups: [], series: [] })).not.toContain('NaN');
  });

  it.each([CHART, LONG])('regression: no text of $title leaves the picture or lies on another', (chart) => {
    const picture = chartSvg(chart);
    const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) ([\d.]+)"/.exec(picture) ?? []).map(Number);
    const all = texts(picture);
    expect(all.length).toBeGreaterThan(8);
    for (const each of all) {
      expect([each.words, each.from >= 0, each.to <= width, each.y < height]).toEqual([
        ...[each.words, true, true, true],
      ]);
      const on = all.filter(
        (other) =>
          other !== each && Math.abs(other.y - each.y) < 10 && other.from < each.to && each.from < other.to,
      );
      expect(on.map(({ words }) => `${each.words}, ${words}`)).toEqual([]);
    }
  });

  it('regression: ends where its last group ends, however long its title is', () => {
    const [first, last] = [chartSvg(CHART), chartSvg({ ...CHART, title: LONG.title })].map((each) =>
      Number(/viewBox="0 0 (\d+) /.exec(each)?.[1]),
    );
    expect(first).toBe(last);
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
