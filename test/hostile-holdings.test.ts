// SPDX-License-Identifier: BSD-3-Clause
// Every rule that the built-in peer can break, in every ring, one after the other against one driver and one
// device model that keep running: each attack breaks its own ring at most, and at the end neither process
// holds anything that it did not hold before.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HARMLESS_KINDS, hostileKinds } from '../tools/peer/hostile.ts';
import { holdings } from './support/holdings.ts';
import { ROOT } from './support/program.ts';
import { Stage } from './support/stage.ts';
import { StillPeer } from './support/still-peer.ts';
import type { Tool } from './support/tool.ts';
import type { Watched } from './support/watched-driver.ts';

const BOUND_MS = 60_000;
/** Rounds of all attacks after the first. */
const TIMES = 1;
/**
 * A little more than a kilobyte per attack: V8 keeps allocating for its optimisations for hundreds of them,
 * less and less.
 */
const HEAP_NOISE = 192 << 10;

const attacks = [false, true].flatMap((packed) =>
  (['rx', 'tx'] as const).flatMap((role) =>
    hostileKinds(packed).map((kind, i) => ({
      packed,
      role,
      kind,
      inOrder: i % 2 === 0,
      eventIdx: i % 4 < 2,
    })),
  ),
);
type Attack = (typeof attacks)[number];
const breaking = attacks.filter(({ kind }) => !HARMLESS_KINDS.includes(kind)).length;

describe('a driver and a device model that are attacked again and again', () => {
  let stage: Stage;
  let device: Tool;
  let driver: ChildProcess;
  let peer: StillPeer | undefined;

  beforeEach(async () => {
    stage = new Stage();
    device = await stage.startDevice();
    driver = fork(join(ROOT, 'test/support/watched-driver.ts'), [stage.path('vfio.sock')], {
      execArgv: ['--import', 'tsx'],
    });
  });

  afterEach(async () => {
    await peer?.close('killed');
    driver.kill('SIGKILL');
    await once(driver, 'exit');
    await stage.close();
  });

  async function watch(): Promise<Watched> {
    const answer = once(driver, 'message', { signal: AbortSignal.timeout(BOUND_MS) });
    driver.send('?');
    return (await answer)[0] as Watched;
  }

  async function watchUntil(what: string, good: (now: Watched) => boolean): Promise<Watched> {
    const end = Date.now() + BOUND_MS;
    for (;;) {
      const now = await watch();
      if (good(now)) return now;
      if (Date.now() > end) throw new Error(`Timed out waiting until ${what}: ${JSON.stringify(now)}`);
      await sleep(5);
    }
  }

  async function attack(one: Attack, how: 'stopped' | 'killed'): Promise<Watched> {
    const { packed, role, kind } = one;
    const what = `${packed ? 'packed' : 'split'} ${role} ${kind}`;
    const before = await watch();
    peer = await StillPeer.start(stage.path('vhost.sock'), one);
    await watchUntil(`frames come: ${what}`, ({ received }) => received > before.received);
    peer.attack(kind, role);
    const broken = HARMLESS_KINDS.includes(kind) ? 0 : 1;
    if (broken)
      await watchUntil(`the ring is broken: ${what}`, (now) => now.brokenRings > before.brokenRings);
    else await watchUntil(`the entry is counted: ${what}`, (now) => now.unusable > before.unusable);
    await peer.close(how);
    peer = undefined;
    // The mapping is removed after the link goes down.
    const after = await watchUntil(
      'the peer is gone',
      (now) => !now.linkUp && now.mappings === before.mappings,
    );
    expect(after.brokenRings, what).toBe(before.brokenRings + broken);
    return after;
  }

  async function all() {
    for (const one of attacks) await attack(one, 'stopped');
    let driver = await watch();
    for (const one of attacks) driver = await attack(one, 'killed');
    return { driver, device: holdings(device.pid) };
  }

  it('lose no descriptor, no mapping and no heap', { timeout: 240_000 }, async () => {
    // The first round creates and compiles everything that is made once.
    const before = await all();
    let after = before;
    for (let time = 0; time < TIMES; time++) after = await all();
    expect(after.device).toEqual(before.device);
    expect(after.driver.descriptors).toBe(before.driver.descriptors);
    expect(after.driver.mappings).toBe(before.driver.mappings);
    expect(after.driver.brokenRings).toBe((1 + TIMES) * 2 * breaking);
    expect(after.driver.heap - before.driver.heap).toBeLessThan(HEAP_NOISE);
  });
});
