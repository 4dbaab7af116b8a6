// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../../test/support/program.ts';
import { duration, expectedSeconds } from './expected-time.ts';

it('what takes minutes is told in minutes', () => {
  expect([0.2, 45, 89, 91, 1320].map(duration)).toEqual(['1 s', '45 s', '89 s', '2 min', '22 min']);
});

it("a chain's time is what its help and README say: six lengths, two figures, two kinds of links", () => {
  const minutes = (12 * expectedSeconds({ rounds: 5, seconds: 2 }, 2)) / 60;
  expect(Math.round(minutes / 10)).toBe(2);
  const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
  expect(read('test/help/vhost-pci-bench-chain.txt')).toContain('takes about 20 minutes on a quiet machine');
  expect(read('README.md')).toMatch(/main\.js chain .*: about 20 minutes$/m);
});

it("the quick report's time is the same in its help and in README", () => {
  const [help, readme] = ['test/help/vhost-pci-bench-report.txt', 'README.md'].map(
    (file) => /about (\w+) minutes on a\s+quiet machine/.exec(readFileSync(join(ROOT, file), 'utf8'))?.[1],
  );
  expect(help).toBeDefined();
  expect(readme).toBe(help);
});
