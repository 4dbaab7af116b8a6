// SPDX-License-Identifier: BSD-3-Clause
// What each suite prints of the same rows is the reviewed text. After a change that is meant:
// npx vitest run tools/bench/suites/golden.test.ts -u
import { expect, it } from 'vitest';
import { sheetText } from '../sheet-text.ts';
import { limitSheet } from './limit.ts';
import { LIMIT_OF_THEIRS, ROWS } from './rows.test-help.ts';
import { SUITES } from './table.ts';

it.each(SUITES.map((suite) => [suite.name, suite] as const))(
  'the text of %s is the reviewed one',
  async (name, suite) => {
    const text = sheetText(suite.prepare([], () => {}).sheet(ROWS[name] as readonly unknown[]));
    await expect(`${text}\n`).toMatchFileSnapshot(`golden/${name}.txt`);
  },
);

it("the text of limit has net_vhost's rate where that was measured", async () => {
  const text = sheetText(limitSheet(LIMIT_OF_THEIRS));
  await expect(`${text}\n`).toMatchFileSnapshot('golden/limit-of-net_vhost.txt');
});
