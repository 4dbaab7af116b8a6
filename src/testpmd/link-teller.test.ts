// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Port, PortLink } from '../ethdev/port.ts';
import { LinkTeller } from './link-teller.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('regression: tells what has become of a link after more changes than are shown', () => {
  const printed: string[] = [];
  let link: PortLink = { up: true, speed: 10_000 };
  const port = { id: 3, link: () => link } as Port;
  const teller = new LinkTeller(
    port,
    (line) => printed.push(line.trim()),
    () => Date.now(),
  );
  for (let i = 0; i < 40; i++) teller.linkChanged();
  expect(printed).toEqual(Array(30).fill('Port 3: link state change event'));
  link = { up: false, speed: 0, reason: 'interface va is gone' };
  vi.advanceTimersByTime(1000);
  expect(printed.slice(30)).toEqual([
    'Port 3: 9 changes of its link were not shown',
    'Port 3: no link: interface va is gone',
  ]);
  vi.advanceTimersByTime(60_000);
  expect(printed).toHaveLength(32);
});
