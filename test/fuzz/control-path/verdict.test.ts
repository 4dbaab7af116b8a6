// SPDX-License-Identifier: BSD-3-Clause
// The control path fuzzer detects what it looks for: programs with one fault each are reported, a correct one
// is not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../../src/native.ts';
import { until } from '../../support/wait.ts';
import { serveHonest } from './honest.ts';
import { planSession } from './plan.ts';
import { Subject } from './subject.ts';
import { SESSIONS_PER_TARGET, targetOptions } from './target.ts';
import { BOUNDS, creeps, gaveBack, health, logs, rests } from './verdict.ts';

const SOON_MS = 300;
let folder: string;
let subject: Subject | null = null;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await subject?.kill();
  subject = null;
});

/** A program that prints "ready" and then runs this code. */
async function start(fault: string): Promise<Subject> {
  const program = join(folder, 'program.mjs');
  writeFileSync(program, `console.log('ready'); setInterval(() => {}, 1000);\n${fault}`);
  subject = await Subject.start([], program);
  return subject;
}

describe('a process', () => {
  it('that does nothing passes', async () => {
    const good = await start('');
    await until('it rests', () => good.usage().cpuMs > 0);
    expect(await rests(good)).toBeNull();
    expect(await gaveBack(good, good.usage())).toBeNull();
    expect(health(good)).toBeNull();
    expect(await good.terminate(BOUNDS.terminateMs)).not.toBeNull();
  });

  it('that spins is found', async () => {
    const spinning = await start('const turn = () => setImmediate(turn); turn();');
    expect((await rests(spinning, SOON_MS))?.kind).toBe('spins');
  });

  it('that dies with a stack trace is found', async () => {
    const dying = await start("setTimeout(() => { throw new Error('a mistake'); }, 10);");
    await until('it is gone', () => !dying.alive && dying.mistake !== null);
    expect(health(dying)?.kind).toBe('mistake');
  });

  it('that dies silently is found', async () => {
    const dying = await start('setTimeout(() => process.exit(3), 10);');
    await until('it is gone', () => !dying.alive);
    expect(health(dying)).toMatchObject({ kind: 'died', detail: expect.stringContaining('exit code 3') });
  });

  it('that keeps a descriptor is found', async () => {
    const leaking = await start('');
    const now = leaking.usage();
    const fewer = { ...now, descriptors: now.descriptors - 1 };
    expect((await gaveBack(leaking, fewer, SOON_MS))?.kind).toBe('leaks descriptors');
  });

  it('that ignores SIGTERM is found, and killed', async () => {
    const deaf = await start("process.on('SIGTERM', () => {}); console.error('deaf');");
    await until('it has its handler', () => deaf.logBytes > 0);
    expect(await deaf.terminate(SOON_MS)).toBeNull();
    expect(deaf.alive).toBe(false);
  });
});

it('the log size is bounded by the time', () => {
  expect(logs(BOUNDS.logBytes, 0)).toBeNull();
  expect(logs(BOUNDS.logBytes + 2 * BOUNDS.logBytesPerSecond, 1000)?.kind).toBe('log');
});

it('memory that keeps growing is found, memory that goes up and down is not', () => {
  const sessions = Array.from({ length: 100 }, (_, i) => i);
  expect(creeps(sessions.map((i) => 60 + i))?.kind).toBe('creeps');
  expect(creeps(sessions.map((i) => 60 + (i % 60)))).toBeNull();
});

it('an honest peer that is not served is found', async () => {
  const path = join(folder, 'socket');
  const listener = native.unixListen(path);
  const place = { driverPath: path, packed: false, driverFirst: false, boundMs: SOON_MS };
  await expect(serveHonest({ ...place, connect: async () => null })).rejects.toThrow(
    /honest peer is not served/,
  );
  native.close(listener);
});

it('the same number gives the same session', () => {
  const plan = (session: number) => planSession(7, session, targetOptions(7, session));
  expect(plan(3)).toEqual(plan(3));
  expect(plan(3)).not.toEqual(plan(4));
  expect(targetOptions(7, 0)).toEqual(targetOptions(7, SESSIONS_PER_TARGET - 1));
});
