// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { chartSvg } from '../charts/bars.ts';
import { ROWS } from './suites/rows.test-help.ts';
import { SUITES } from './suites/table.ts';

const isDisturbed = (row: unknown): boolean => (row as { disturbed?: boolean }).disturbed === true;

it.each(SUITES.map((suite) => [suite.name, suite] as const))(
  'regression: the charts of %s mark disturbed rows, and no others',
  (name, suite) => {
    const rows = ROWS[name] as readonly object[];
    const chartsOf = (some: readonly unknown[]) =>
      suite
        .prepare([], () => {})
        .charts(some)
        .map(chartSvg)
        .join();
    expect(rows.some(isDisturbed)).toBe(true);
    expect(chartsOf(rows)).toMatch(/\*<[\s\S]*\* disturbed: something else/);
    expect(chartsOf(rows.map((row) => ({ ...row, disturbed: false })))).not.toContain('*');
  },
);
