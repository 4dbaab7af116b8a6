// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 over ivshmem v2: two processes, each with a function of the device model that has state table,
// doorbell and interrupts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { Prompt } from './support/prompt.ts';
import { FramePort, frameOf } from './support/section-files.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

let folder: string;
let model: Tool;
let port: FramePort | null = null;
let prompt: Prompt | null = null;
const path = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-ivshmem2-'));
  const sockets = ['a', 'b'].flatMap((name) => ['--vfio-user', path(name)]);
  model = new Tool('tools/device/main.ts', ['--ivshmem2', ...sockets, '--size', '1M']);
  await model.printed('ready');
});
afterEach(async () => {
  port?.close();
  port = null;
  await prompt?.kill();
  await model.kill();
  rmSync(folder, { recursive: true });
});

const startEcho = async (): Promise<Prompt> => {
  const device = `net_ivshmem0,own=${path('b')}`;
  const options = ['-i', '--forward-mode=macswap', '--mbuf-size=9216', '--rx-interrupt=adaptive'];
  const started = new Prompt(['--no-huge', '--vdev', device, '--', ...options]);
  await started.prints('testpmd> ');
  await started.say('start');
  return started;
};

/** Every frame comes back with its addresses swapped. */
async function echoes(near: FramePort): Promise<void> {
  for (const length of [60, 64, 1514, 9000]) {
    const frame = frameOf(length, length);
    expect(near.send([frame])).toBe(1);
    const back: Uint8Array[] = [];
    await until(`${length} bytes came back`, () => back.push(...near.receive()) > 0);
    expect(back[0]?.subarray(12)).toEqual(frame.subarray(12));
    expect(back[0]?.subarray(0, 6)).toEqual(frame.subarray(6, 12));
  }
}

it('passes frames between two processes, one of them asleep, and notices kill -9 of it', async () => {
  prompt = await startEcho();
  const near = new FramePort(`net_ivshmem0,own=${path('a')}`);
  port = near;
  expect(near.port.info.details).toMatchObject({ Carrier: 'ivshmem v2', Interrupts: 'eventfd' });
  await until('the link is up', () => near.port.link().up);
  expect(near.port.info.details).toMatchObject({ Extensions: 'none', 'Queue pairs': 1 });
  await echoes(near);
  // The peer's kicks wake a thread that sleeps, here this one.
  const rx = near.port.rxQueueSpec(0).data;
  native.eventfdDrain(rx.interruptFd as number);
  expect(native.queueArm(rx.handle as never)).toBe(true);
  near.send([frameOf(60, 1)]);
  // Not by blocking: doorbells are written by the event loop of this thread.
  await until('it is woken', () => native.pollFd(rx.interruptFd as number, 'in', 0));
  await until('it came back', () => near.receive().length > 0);

  await prompt.kill('SIGKILL');
  await until('the link is down', () => !near.port.link().up);
  prompt = await startEcho();
  await until('the link is up', () => near.port.link().up);
  await echoes(near);
  near.port.stop();
  await prompt.prints("the peer's port is not started");
  near.port.start();
  await until('the link is up', () => near.port.link().up);
  await echoes(near);
});

it('is gone with its device model', async () => {
  port = new FramePort(`net_ivshmem0,own=${path('a')}`);
  const events: string[] = [];
  port.port.on('removed', () => events.push('removed'));
  await model.kill('SIGKILL');
  await until('it is removed', () => events.length === 1);
  expect(port.port.link()).toMatchObject({ up: false, reason: 'the device is removed' });
});

it.each([
  ['peer=/dev/null', /\/a: it is not an ivshmem function but 110a:4106 class ff0001$/],
  ['doorbell=x', /doorbell= needs peer= or side=$/],
])('says what is wrong: %s', (more, expected) => {
  expect(() => new FramePort(`net_ivshmem0,own=${path('a')},${more}`)).toThrow(expected);
});
