// SPDX-License-Identifier: BSD-3-Clause
import { expect, it, vi } from 'vitest';
import { native } from '../native.ts';
import { Session } from './session.ts';
import { defaultSettings } from './settings.ts';

vi.mock('../lcore/launch.ts', async (original) => {
  const actual = await original<typeof import('../lcore/launch.ts')>();
  const launch: typeof actual.launch = (options) =>
    actual.launch({ ...options, module: new URL('./getopt.ts', import.meta.url) });
  return { ...actual, launch };
});

it('regression: an lcore that fails when it starts is reported once', async () => {
  const cpus = native.getAffinity().slice(-1);
  const said: string[] = [];
  const session = new Session(
    { ...defaultSettings(), hugepages: false },
    { main: { id: 0, cpus }, forwarding: [{ id: 1, cpus }] },
    { print: () => {}, complain: (line) => said.push(line), event: () => {}, room: async () => {} },
  );
  session.forwarding.onFailure = (error) => said.push(error.message);
  await session.init(['net_null0', 'net_null1']);
  expect(await session.forwarding.start(session.ports.forwarding, 0)).toBe(false);
  expect(said.filter((line) => line.includes('default export'))).toEqual([expect.any(String)]);
  await session.quit();
});
