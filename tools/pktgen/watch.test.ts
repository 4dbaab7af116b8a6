// SPDX-License-Identifier: BSD-3-Clause
// The telemetry of a run, and --watch, which looks at it from another process.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { greeted, runtimeDirectory } from '../../src/telemetry/telemetry.test-help.ts';
import { nodeArguments, ROOT } from '../../test/support/program.ts';
import { Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';
import { socketOf } from './watch.ts';

const SCRIPT = 'tools/pktgen/main.ts';
const EASY = ['--rate', '1kpps', '--warm-up', '0', '--stats-period', '0.1', '--max-lag', '5000'];

runtimeDirectory();
const tools: Tool[] = [];
const start = (...args: string[]) => {
  const tool = new Tool(SCRIPT, args);
  tools.push(tool);
  return tool;
};
afterEach(async () => {
  for (const tool of tools.splice(0).reverse()) await tool.kill();
});

describe('the telemetry of a run', () => {
  it('has its figures, its streams and its port', async () => {
    const generator = start(...EASY, '--file-prefix', 'mine');
    await generator.printed('t=');
    const client = await greeted(socketOf('mine'));
    try {
      const first = (await client.ask('/pktgen/stats')) as Record<string, number>;
      expect(first).toMatchObject({ returns: true, factor: 1, lost: expect.any(Number), streams: 1 });
      expect(first.headline).toMatch(/^net_vhost_pci0, CPU/);
      const [stream] = (await client.ask('/pktgen/streams')) as { name: string; sent: number }[];
      expect(stream?.name).toBe('0');
      expect(first).toMatchObject({ lost: 0, inFlight: (first.sent as number) - (first.received as number) });
      expect(stream?.sent).toBe(first.sent);
      expect(await client.ask('/ethdev/list')).toEqual([0]);
    } finally {
      client.close();
    }
    await generator.kill('SIGINT');
    expect(generator.exitCode).toBe(0);
    await expect(greeted(socketOf('mine'))).rejects.toThrow('ENOENT');
  });

  it('says of frames that do not return that nothing is known', async () => {
    const generator = start(...EASY, '--peer', 'sink');
    await generator.printed('t=');
    const client = await greeted(socketOf('pktgen'));
    expect(await client.ask('/pktgen/stats')).toMatchObject({
      ...{ returns: false, received: null, inFlight: null, lost: null },
    });
    client.close();
  });
});

describe('--watch', () => {
  it('shows the generator of a name until that ends, and leaves it alone', async () => {
    const generator = start(...EASY);
    const second = start(...EASY);
    await generator.printed('t=');
    await second.printed('t=');
    const viewers = ['pktgen', 'pktgen:1'].map((name) =>
      start('--watch', name, '--plain', '--stats-period', '0.1'),
    );
    for (const viewer of viewers)
      await until('it shows', () => /t=.*received.*p99/.test(viewer.output) || !viewer.running);
    await viewers[0]?.kill('SIGINT');
    expect(viewers[0]?.exitCode).toBe(0);
    expect(generator.running && second.running).toBe(true);
    for (const tool of [generator, second]) await tool.kill('SIGINT');
    await until('the viewer ends', () => !viewers[1]?.running);
    expect(viewers[1]?.exitCode).toBe(0);
    expect(generator.output).toMatch(/^received \d+, lost 0/m);
  });

  it('names the streams that are stopped', async () => {
    const generator = start(...EASY, '--control');
    await generator.printed('t=');
    const viewer = start('--watch', 'pktgen', '--plain', '--stats-period', '0.1');
    await viewer.printed('t=');
    expect(viewer.output).not.toContain('stopped');
    generator.type('stop 0');
    await viewer.printed(' us  stopped\n');
    await generator.printed(' us  stopped\n');
    generator.type('start 0');
    await until('it is sent again', () => /stopped\n.* us\n/.test(viewer.output));
  });

  describe('of a process that accepts and does not answer', () => {
    const prefix = `silent-${process.pid}`;
    let path: string;
    let listening: number;
    beforeEach(() => {
      path = socketOf(prefix);
      mkdirSync(dirname(path), { recursive: true });
      listening = native.unixListen(path, {}, true);
    });
    afterEach(() => {
      native.close(listening);
      rmSync(dirname(path), { recursive: true });
    });

    /** A viewer, and its connection at the other end. */
    async function viewer(): Promise<{ readonly tool: Tool; readonly fd: number }> {
      const tool = start('--watch', prefix, '--plain');
      let fd = -1;
      await until('it connects', () => {
        if (fd < 0) fd = native.unixAccept(listening);
        return fd >= 0 || !tool.running;
      });
      return { tool, fd };
    }

    it.each([
      ['SIGINT', []],
      ['SIGTERM', ['{}']],
      ['SIGHUP', []],
    ] as const)('regression: %s ends it', async (signal, says) => {
      const { tool, fd } = await viewer();
      for (const text of says) native.sendMessage(fd, Buffer.from(text), []);
      await tool.kill(signal);
      native.close(fd);
      expect([tool.exitCode, tool.output]).toEqual([0, '']);
    });

    it('says so and ends', async () => {
      const { tool, fd } = await viewer();
      await until('it ends', () => !tool.running);
      native.close(fd);
      expect([tool.exitCode, tool.output]).toEqual([
        1,
        expect.stringMatching(/^vhost-pci-pktgen: Failed to watch .*: no answer within .*\n$/),
      ]);
    });
  });

  it.each([
    ['that closes without a word', [], 'the connection was closed at once'],
    ['whose greeting is text', ['hello'], 'what it says is not JSON'],
    ['whose greeting is null', ['null'], 'it is no generator'],
    ['that answers null', ['{}', 'null'], 'it is no generator'],
    ['that answers an array', ['{}', '[1]'], 'it is no generator'],
    ['that answers text', ['{}', 'text'], 'what it says is not JSON'],
    ['whose figures are none', ['{}', '{"/pktgen/stats":{"sent":{}}}'], 'it is no generator'],
  ])('says in one line what is wrong with a server %s', async (_, says, cause) => {
    const prefix = `hostile-${process.pid}`;
    const path = socketOf(prefix);
    mkdirSync(dirname(path), { recursive: true });
    const listening = native.unixListen(path, {}, true);
    const viewer = start('--watch', prefix, '--plain');
    try {
      let fd = -1;
      await until('it connects', () => {
        if (fd < 0) fd = native.unixAccept(listening);
        return fd >= 0 || !viewer.running;
      });
      for (const text of says) native.sendMessage(fd, Buffer.from(text), []);
      if (says.length === 0) native.close(fd);
      await until('it ends', () => !viewer.running);
      if (says.length > 0) native.close(fd);
      expect([viewer.exitCode, viewer.output]).toEqual([
        1,
        expect.stringMatching(/^vhost-pci-pktgen: Failed to watch .*\n$/),
      ]);
      expect(viewer.output).toContain(cause);
    } finally {
      native.close(listening);
      rmSync(dirname(path), { recursive: true });
    }
  });

  it.each([
    [['--watch', 'nobody'], "Failed to watch 'nobody': no generator of that name runs", 1],
    [['--file-prefix', 'a/b'], "'a/b' is no name of a folder", 2],
    [['--watch', 'a', '--ndr'], '--watch: it only looks', 2],
  ])('%j is refused in one line', (args, says, code) => {
    const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
    const { status, stderr } = spawnSync(process.execPath, [...nodeArguments(SCRIPT), ...args], options);
    expect([status, stderr]).toEqual([code, expect.stringMatching(/^vhost-pci-pktgen: .*\n$/)]);
    expect(stderr).toContain(says);
  });
});
