// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type Chart, chartSvg, niceCeiling } from './charts.ts';

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
    expect([0, 0.3, 9, 11, 26, 100].map(niceCeiling)).toEqual([1, 0.5, 10, 20, 50, 100]);
  });

  it('of nothing is empty axes', () => {
    expect(chartSvg({ ...CHART, groups: [], series: [] })).not.toContain('NaN');
  });
});
