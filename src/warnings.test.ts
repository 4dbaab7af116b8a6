// SPDX-License-Identifier: BSD-3-Clause
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { setWarningSink, warn, warnOnce } from './warnings.ts';

it("a warning is one of Node's, with a name and a code, until a program takes them", async () => {
  const emitted = once(process, 'warning');
  warn({ code: 'VPCI_NO_HUGEPAGES', message: 'first' });
  const [warning] = await emitted;
  expect(warning).toMatchObject({ name: 'VhostPciWarning', code: 'VPCI_NO_HUGEPAGES', message: 'first' });
  const taken: string[] = [];
  setWarningSink(({ message }) => taken.push(message));
  for (let i = 0; i < 2; i++) warnOnce({ code: 'VPCI_NO_HUGEPAGES', message: 'second' });
  expect(taken).toEqual(['second']);
});
