// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 through the device model: its two functions, of either kind, each driven by a process of its own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeArguments } from './support/program.ts';
import { Prompt } from './support/prompt.ts';
import { FramePort, frameOf } from './support/section-files.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

const IN_FLIGHT = 16;
const SIZES = [60, 61, 64, 65, 1500, 1514, 2048, 4096, 9000];

let folder: string;
let ports: FramePort[];
let prompts: Prompt[];
let tools: Tool[];
const socket = (end: 0 | 1) => join(folder, end === 0 ? 'a' : 'b');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'functions-'));
  [ports, prompts, tools] = [[], [], []];
});
afterEach(async () => {
  for (const port of ports) port.close();
  for (const prompt of prompts) await prompt.kill();
  for (const tool of tools) await tool.kill();
  rmSync(folder, { recursive: true });
});

async function startDevice(...options: string[]): Promise<Tool> {
  const sockets = [0, 1].flatMap((end) => ['--vfio-user', socket(end as 0 | 1)]);
  const device = new Tool('tools/device/main.ts', [...options, ...sockets]);
  tools.push(device);
  await device.printed('ready, vfio-user');
  return device;
}

async function testpmd(device: string, ...options: string[]): Promise<Prompt> {
  const prompt = new Prompt(['--no-huge', '--vdev', device, '--', '-i', '--mbuf-size=9216', ...options]);
  prompts.push(prompt);
  await prompt.prints('testpmd> ');
  await prompt.say('start');
  return prompt;
}

async function open(device: string, queues = 1): Promise<FramePort> {
  const port = new FramePort(device, queues);
  ports.push(port);
  await until('the link is up', () => port.port.link().up);
  return port;
}

/** Sends frames, and waits until each has come back with its MAC addresses swapped. */
async function echoed(port: FramePort, lengths: readonly number[] = SIZES): Promise<void> {
  const frames = lengths.map(frameOf);
  const back: Uint8Array[] = [];
  let sent = 0;
  await until(`${frames.length} frames came back`, () => {
    if (sent - back.length < IN_FLIGHT) sent += port.send(frames.slice(sent, back.length + IN_FLIGHT));
    back.push(...port.receive());
    return back.length >= frames.length;
  });
  for (const [i, frame] of frames.entries()) {
    const swapped = frame.slice();
    swapped.set(frame.subarray(6, 12), 0);
    swapped.set(frame.subarray(0, 6), 6);
    expect(back[i], `frame ${i} of ${frame.length} bytes`).toEqual(swapped);
  }
}

const KINDS = [
  {
    name: 'bidirectional',
    options: ['--symmetric'],
    device: (path: string) => `net_vhost_pci0,path=${path}`,
  },
  {
    name: 'unidirectional',
    options: ['--symmetric', '--unidirectional'],
    device: (path: string) => `net_vhost_pci0,path=${path}`,
  },
  { name: 'ivshmem v2', options: ['--ivshmem2'], device: (path: string) => `net_ivshmem0,own=${path}` },
] as const;

describe.each(KINDS)('two processes over functions of the device model: $name', ({ options, device }) => {
  it('pass frames of every size there and back', async () => {
    await startDevice(...options);
    await testpmd(device(socket(1)), '--forward-mode=macswap');
    await echoed(await open(device(socket(0))));
  });

  it('pass frames between sleeping lcores', async () => {
    await startDevice(...options);
    const prompt = await testpmd(device(socket(1)), '--forward-mode=macswap', '--rx-interrupt=on');
    const port = await open(device(socket(0)));
    expect(port.port.info.rxInterrupts).toBe(true);
    for (let i = 0; i < 20; i++) await echoed(port, [60 + i]);
    expect(await prompt.say('show port xstats 0')).toMatch(/rx_q0_interrupts: [1-9]/);
  });

  it('go on when either end is killed and comes back', async () => {
    const model = await startDevice(...options);
    const port = await open1();
    for (let i = 0; i < 3; i++) {
      const prompt = await testpmd(device(socket(1)), '--forward-mode=macswap');
      await until('the link is up', () => port.port.link().up);
      await echoed(port, [60, 1500]);
      await prompt.kill();
      await until('the link is down', () => !port.port.link().up);
    }
    expect(model.running).toBe(true);

    async function open1(): Promise<FramePort> {
      const port = new FramePort(device(socket(0)));
      ports.push(port);
      expect(port.port.link().up).toBe(false);
      return port;
    }
  });
});

describe('the functions of RFC 2.1', () => {
  it('have queue pairs, each of which passes frames', async () => {
    await startDevice('--symmetric', '--queues', '3');
    await testpmd(`net_vhost_pci0,path=${socket(1)}`, '--forward-mode=macswap', '--rxq=2', '--txq=2');
    const port = await open(`net_vhost_pci0,path=${socket(0)}`, 2);
    expect(port.port.info.maxRxQueues).toBe(3);
    await until('both queues pass', () => {
      for (const queue of [0, 1]) {
        port.send([frameOf(100, queue)], queue);
        port.receive(queue);
      }
      const xstats = port.port.xstats();
      return [0, 1].every((queue) => (xstats.get(`rx_q${queue}_good_packets`) ?? 0) > 0);
    });
  });

  it('refuse options that are about a peer of RFC 2.0, and more queues than there are', async () => {
    await startDevice('--symmetric');
    const path = socket(0);
    for (const [more, expected] of [
      ['max-peer-memory=1G', /max-peer-memory has no use here: .* is a function of RFC 2\.1$/],
      ['csum=0', /csum or tso has no use here/],
      ['queues=2', /2 queues? pairs?|has 1 queue pair/],
    ] as const)
      expect(() => new FramePort(`net_vhost_pci0,path=${path},${more}`)).toThrow(expected);
    const port = new FramePort(`net_vhost_pci0,path=${path},minimum=1`);
    ports.push(port);
    expect(port.port.info.details.Extensions).toBe('none');
  });

  it.each([['--symmetric'], ['--symmetric', '--unidirectional']])(
    "a store into the peer's side is a fault in the process that tries: %s %s",
    async (...options) => {
      const device = await startDevice(...options);
      const { signal, stdout } = spawnSync(
        process.execPath,
        [...nodeArguments('test/support/stray-store.ts'), socket(0)],
        { encoding: 'utf8' },
      );
      expect([signal, stdout]).toEqual(['SIGSEGV', 'about to store\n']);
      expect(device.running).toBe(true);
      await testpmd(`net_vhost_pci0,path=${socket(1)}`, '--forward-mode=macswap');
      await echoed(await open(`net_vhost_pci0,path=${socket(0)}`), [60]);
    },
  );
});
