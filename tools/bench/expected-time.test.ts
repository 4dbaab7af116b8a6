// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../../test/support/program.ts';
import { duration, expectedSeconds } from './expected-time.ts';
import type { Suite } from './suite.ts';
import { QUICK } from './suites/report.ts';
import { SUITES } from './suites/table.ts';

it('what takes minutes is told in minutes', () => {
  expect([0.2, 45, 89, 91, 1320].map(duration)).toEqual(['1 s', '45 s', '89 s', '2 min', '22 min']);
});

const minutesOf = (lines: readonly string[]): number =>
  lines.reduce((sum, line) => {
    const [name, ...args] = line.split(' ');
    const { cases, caseSeconds } = (SUITES.find((suite) => suite.name === name) as Suite).prepare(
      args,
      () => {},
    );
    return sum + cases.length * caseSeconds;
  }, 0) / 60;

it("a chain's time is what its help and README say: six lengths, two figures, two kinds of links", () => {
  expect(Math.round(minutesOf(['chain']) / 10)).toBe(3);
  const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
  expect(read('test/help/vhost-pci-bench-chain.txt')).toContain('takes about 30 minutes on a quiet machine');
  expect(read('README.md')).toMatch(/main\.js chain .*: about 30 minutes$/m);
});

it('regression: the quick report is expected to take the minutes that it says, not half of them', () => {
  expect(Math.ceil(minutesOf(QUICK))).toBe(4);
});

it('what is done once is spread over the cases', () => {
  const settings = { rounds: 2, seconds: 0 };
  const overhead = { once: 30, perCase: 1, perRound: 4 };
  expect(expectedSeconds(settings, { cases: 3, comparisons: 2 }, overhead)).toBe(10 + 1 + 2 * 2 * 4);
});

it("the quick report's time is the same in its help and in README", () => {
  const [help, readme] = ['test/help/vhost-pci-bench-report.txt', 'README.md'].map(
    (file) => /about (\w+) minutes on a\s+quiet machine/.exec(readFileSync(join(ROOT, file), 'utf8'))?.[1],
  );
  expect(help).toBeDefined();
  expect(readme).toBe(help);
});
