// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 over two plain files between two processes, with no third one: contents of frames of every size,
// and testpmd at both ends.
import { truncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setWarningSink } from '../src/warnings.ts';
import { Prompt } from './support/prompt.ts';
import { FramePort, frameOf, SectionFiles } from './support/section-files.ts';
import { Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

/** Frames of 9000 bytes that a section has room for: testpmd drops what finds none. */
const IN_FLIGHT = 32;
const EXCHANGE = 'at the other end own= and peer= (or side=) are exchanged';

describe('two processes over two files', () => {
  let files: SectionFiles;
  const ports: FramePort[] = [];
  const prompts: Prompt[] = [];
  const tools: Tool[] = [];

  beforeEach(() => {
    files = new SectionFiles();
  });
  afterEach(async () => {
    for (const port of ports.splice(0)) port.close();
    for (const prompt of prompts.splice(0)) await prompt.kill();
    for (const tool of tools.splice(0)) await tool.kill();
    files.close();
  });

  it('regression: a second driver with the same own side is warned, and one with the other side is not', () => {
    const warnings: string[] = [];
    setWarningSink(({ message }) => warnings.push(message));
    try {
      ports.push(new FramePort(files.device(0)), new FramePort(files.device(1, '', 'net_ivshmem1')));
      expect(warnings).toEqual([]);
      ports.push(new FramePort(files.device(0, '', 'net_ivshmem2')));
      expect(warnings).toEqual([
        `${files.paths[0]}: another driver has it as its own side, too; ${EXCHANGE}`,
      ]);
    } finally {
      setWarningSink(({ message }) => console.warn(message));
    }
  });

  const testpmd = async (device: string, ...options: string[]): Promise<Prompt> => {
    const prompt = new Prompt(['--no-huge', '--vdev', device, '--', '-i', '--mbuf-size=9216', ...options]);
    prompts.push(prompt);
    await prompt.prints('testpmd> ');
    return prompt;
  };
  const open = async (device: string, queues = 1): Promise<FramePort> => {
    const port = new FramePort(device, queues);
    ports.push(port);
    await until('the link is up', () => port.port.link().up);
    return port;
  };

  /** Sends frames of these lengths, and waits until each has come back with its MAC addresses swapped. */
  const echoed = async (port: FramePort, lengths: readonly number[]): Promise<void> => {
    const frames = lengths.map((length, i) => frameOf(length, i));
    const back: Uint8Array[] = [];
    let sent = 0;
    await until(`${frames.length} frames came back`, () => {
      if (sent - back.length < IN_FLIGHT) sent += port.send(frames.slice(sent, back.length + IN_FLIGHT));
      back.push(...port.receive());
      return back.length >= frames.length;
    });
    frames.forEach((frame, i) => {
      const swapped = frame.slice();
      swapped.set(frame.subarray(6, 12), 0);
      swapped.set(frame.subarray(0, 6), 6);
      expect(back[i], `frame ${i} of ${frame.length} bytes`).toEqual(swapped);
    });
  };
  /** Sizes from 60 bytes to `most`, and those at the edges of slots and buffers. */
  const sizes = (most: number): number[] => {
    const edges = [60, 61, 63, 64, 65, 110, 111, 1500, 1514, 1518, 2048, 4096, 8999, 9000, most];
    const between = Array.from({ length: 200 }, (_, i) => 60 + Math.floor(((most - 60) * i) / 199));
    return [...edges, ...between].filter((size) => size <= most);
  };

  it.each(['', ',minimum=1'])(
    'pass frames of 60 to 9000 bytes through testpmd and back (%s)',
    async (more) => {
      const prompt = await testpmd(files.device(1, more), '--forward-mode=macswap');
      await prompt.say('start');
      const port = await open(files.device(0, more));
      await echoed(port, sizes(9000));
      expect(port.port.info.details.Extensions).toBe(more === '' ? 'NET_HEADER LARGE_FRAMES' : 'none');
      expect(port.port.xstats().get('section_bad_headers')).toBe(0);
    },
  );

  it('pass frames of 64 KiB with the extension', async () => {
    const prompt = await testpmd(files.device(1), '--forward-mode=macswap');
    await prompt.say('start');
    const port = await open(files.device(0));
    await echoed(port, [65_550, 65_549, 60, 40_000, 65_550, 20_000, 61]);
  });

  it('run testpmd at both ends, and go on when a port or a process is stopped and started again', async () => {
    const b = await testpmd(files.device(1), '--forward-mode=macswap');
    expect(await b.say('show port info 0')).toMatch(/Link status: down/);
    await b.say('start');
    const a = await testpmd(files.device(0), '--forward-mode=txonly');
    await a.say('start');
    await b.receives(1000);
    expect(await a.say('show port info 0')).toMatch(/Link status: up/);
    expect(await a.say('show device info all')).toMatch(/Own state: +RUN/i);
    await b.say('stop');
    await b.say('port stop 0');
    await a.prints("the peer's port is not started");
    await b.say('port start 0');
    await b.say('start');
    const before = await b.received();
    await b.receives(before + 1000);
    await b.kill();
    const again = await testpmd(files.device(1), '--forward-mode=rxonly');
    await again.say('start');
    await again.receives(1000);
  });

  it('live on when a file is cut off under traffic, and go on when both are whole again', async () => {
    const b = await testpmd(files.device(1), '--forward-mode=txonly', '--hot-plug');
    await b.say('start');
    const port = await open(files.device(0));
    const removed = new Promise((resolve) => port.port.once('removed', resolve));
    await until('packets come', () => port.receive().length > 0);
    for (const path of files.paths) truncateSync(path, 4096);
    await b.prints('Port 0: device removal event');
    await until('our port notices', () => port.receive().length === 0 && !port.port.link().up);
    await removed;
    port.close();
    ports.pop();
    for (const path of files.paths) truncateSync(path, 0x80000);
    const again = await open(files.device(0));
    await until('packets come again', () => again.receive().length > 0);
  });

  it('send a frame back from the least side that the rules allow', async () => {
    const [own, peer] = files.paths.toReversed() as [string, string];
    tools.push(new Tool('test/support/minimum-side.ts', [own, peer]));
    const port = await open(files.device(0));
    expect(port.port.info.details).toMatchObject({ Extensions: 'none', 'Queue pairs': 1 });
    await echoed(port, sizes(9000));
    // It is stopped and started again while we run.
    await tools[0]?.kill('SIGTERM');
    await until('the link is down', () => !port.port.link().up);
    tools.push(new Tool('test/support/minimum-side.ts', [own, peer]));
    await until('the link is up', () => port.port.link().up);
    await echoed(port, sizes(1518));
  });
});
