// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, expect, it } from 'vitest';
import { Child } from './child.ts';
import { Watch } from './watch.ts';

const children: Child[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await child.stop();
});

async function running(watch: Watch, name: string): Promise<Child> {
  const code = `console.log('up'); setInterval(() => {}, 1000)`;
  const child = new Child({ name, command: [process.execPath, '-e', code], maxRunMs: 120_000 });
  children.push(child);
  await child.waitFor(/up/, 60_000);
  return watch.add(child);
}

const never = () => new Promise<never>(() => {});

it('regression: work that would wait for ever fails with the child that was killed and its last message', async () => {
  const watch = new Watch();
  await running(watch, 'the device');
  const victim = await running(watch, 'the driver');
  const work = watch.during(never);
  victim.signal('SIGKILL');
  await expect(work).rejects.toThrow('the driver ended (SIGKILL) while packets flowed; last message: up');
  await expect(watch.during(never)).rejects.toThrow('the driver ended (SIGKILL)');
});

it('regression: work that would wait for ever fails with the child that a signal stopped', async () => {
  const watch = new Watch();
  const victim = await running(watch, 'the driver');
  const work = watch.during(never);
  victim.signal('SIGSTOP');
  await expect(work).rejects.toThrow('the driver was stopped (SIGSTOP or SIGTSTP) while packets flowed');
});

it('regression: a child that was stopped only for a moment is named too', async () => {
  const watch = new Watch();
  const child = await running(watch, 'the driver');
  let looks = 0;
  // Stopped when it is first looked at, and continued before the second look.
  Object.defineProperty(child, 'halted', { get: () => looks++ === 0 });
  await expect(watch.during(never)).rejects.toMatchObject({
    message: expect.stringMatching(/^the driver was stopped \(SIGSTOP or SIGTSTP\) while packets flowed/),
  });
});

it('a child that we paused ourselves is no failure', async () => {
  const watch = new Watch();
  const child = await running(watch, 'the driver');
  child.pause();
  await expect.poll(() => child.halted).toBe(true);
  const work = watch.during(() => child.waitFor(/never/, 600));
  await expect(work).rejects.toThrow('the driver timed out after 0.6 s');
});

it('the error of a part whose neighbour was killed names the neighbour', async () => {
  const watch = new Watch();
  const victim = await running(watch, 'the device');
  const work = watch.during(async () => {
    victim.signal('SIGKILL');
    await victim.gone;
    throw new Error('no packet passed');
  });
  await expect(work).rejects.toThrow('the device ended (SIGKILL) while packets flowed');
});

it('the result and the error of the work pass while every child runs', async () => {
  const watch = new Watch();
  await running(watch, 'the device');
  expect(await watch.during(async () => 7)).toBe(7);
  const failing = async () => {
    throw new Error('no packet passed');
  };
  await expect(watch.during(failing)).rejects.toThrow('no packet passed');
});
