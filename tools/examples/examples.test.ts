// SPDX-License-Identifier: BSD-3-Clause
// The guide's examples as whole programs: against the built-in peer, and between kernels through taps.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { interfaceName, Namespace, tapMissing } from '../../test/support/netns.ts';
import { SectionFiles } from '../../test/support/section-files.ts';
import { startDeviceModel, Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';

const HERE = import.meta.dirname;
const CPU = String(native.getAffinity().at(-1));
const PEER_MAC = '02:00:00:00:00:01';

let folder: string;
let tools: Tool[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'examples-'));
  tools = [];
});
afterEach(async () => {
  for (const tool of tools.reverse()) await tool.kill();
  rmSync(folder, { recursive: true });
});

function start(script: string, ...args: string[]): Tool {
  const tool = new Tool(script, args);
  tools.push(tool);
  return tool;
}

const example = (name: string, ...args: string[]) =>
  start(`tools/examples/${name}.ts`, '--cpu', CPU, ...args);

/** A device model, as the device string of a port and the socket of a peer. */
async function device(i = 0): Promise<{ name: string; vhostUser: string }> {
  const [vhostUser, vfioUser] = [join(folder, `vhost${i}`), join(folder, `vfio${i}`)];
  tools.push(await startDeviceModel({ vhostUser, vfioUser }));
  return { name: `net_vhost_pci${i},path=${vfioUser}`, vhostUser };
}

const peer = (vhostUser: string, mode: string, ...more: string[]) =>
  start('tools/peer/main.ts', '--vhost-user', vhostUser, '--mode', mode, '--stats-period', '0.2', ...more);

/** The last value of a counter in a program's lines; 0 before there is one. */
const last = (tool: Tool, counter: string) =>
  Number([...tool.output.matchAll(new RegExp(`\\b${counter} (\\d+)`, 'g'))].at(-1)?.[1] ?? 0);

async function counts(tool: Tool, counter: string, more = 0): Promise<void> {
  await until(`'${counter}' passes ${more}`, () => last(tool, counter) > more || !tool.running).catch(
    (error) => {
      throw new Error(`${error.message}:\n${tools.map(({ output }) => output).join('\n---\n')}`);
    },
  );
  expect(last(tool, counter), tool.output).toBeGreaterThan(more);
}

async function endsInOrder(tool: Tool): Promise<void> {
  await tool.kill('SIGINT');
  expect(tool.exitCode, tool.output).toBe(0);
}

it('every example has fewer than 120 lines', () => {
  const files = readdirSync(HERE).filter((file) => !file.endsWith('.test.ts'));
  expect(files.length).toBeGreaterThan(8);
  for (const file of files)
    expect(readFileSync(join(HERE, file), 'utf8').split('\n').length, file).toBeLessThan(121);
});

describe('a command line that an example cannot run', () => {
  it.each([
    ['bridge', [], 'usage: bridge.ts DEVICE DEVICE'],
    ['filter', [], 'usage: filter.ts DEVICE DEVICE'],
    ['generator', [], 'usage: generator.ts DEVICE'],
    ['responder', [], 'usage: responder.ts DEVICE'],
    ['signed-messages', [], 'usage: signed-messages.ts SENDER RECEIVER'],
    ['bridge', ['net_null0'], 'usage: bridge.ts DEVICE DEVICE'],
    ['responder', ['net_null0', '--ip', '10.0.0'], "not '10.0.0'"],
    // Regression: these ran, and did nothing.
    ['responder', ['net_null0', '--port', 'x'], "--port must be a whole number from 0 to 65535, not 'x'"],
    ['bridge', ['net_null0', 'net_null1', '--max-age', 'x'], '--max-age must be a whole number from 1 to'],
    ['generator', ['net_null0', '--size', '20'], '--size must be from 46 to 1514, not 20'],
    ['signed-messages', ['net_null0', 'net_null1'], '--side must name the file'],
    ['filter', ['net_null0', 'net_null1'], '--rules FILE is missing'],
    ['filter', ['net_null0', 'net_null1', '--speed', '1'], "Unknown option '--speed'"],
    ['responder', ['net_vhost_pci0,path=/nonexistent'], 'no such socket'],
  ])('gets one line and exit status 1: %s %j', async (name, args, says) => {
    const tool = example(name, ...args);
    await until('it ends', () => !tool.running);
    expect(tool.exitCode).toBe(1);
    expect(tool.output).toContain(says);
    expect(tool.output).toMatch(new RegExp(`^${name}\\.ts: .*\\n?$`, 'm'));
    expect(tool.output).not.toContain('    at ');
  });
});

describe('messages that are signed in place', () => {
  it.each([
    ['is what was written, while the receiver can only read them', '0', 'written', 'forged'],
    ['is also what the receiver made of them, where it can write', '1', 'forged', 'written'],
  ])('what has a valid signature %s', async (_, writable, some, none) => {
    const files = new SectionFiles();
    try {
      const devices = [files.device(0), files.device(1, '', 'net_ivshmem1')];
      const side = ['--side', files.paths[0], '--writable', writable];
      const messages = example('signed-messages', ...devices, ...side);
      await counts(messages, some, 100);
      await endsInOrder(messages);
      expect([last(messages, none), last(messages, 'signature')]).toEqual([0, 0]);
    } finally {
      files.close();
    }
  });
});

describe('against the built-in peer', () => {
  it("the generator fills the peer's own buffers, also after the peer has restarted", async () => {
    const { name, vhostUser } = await device();
    const generator = example('generator', name, '--size', '128', '--to', PEER_MAC);
    const first = peer(vhostUser, 'sink', '--no-check');
    await counts(first, 'received', 1000);
    await counts(generator, 'in place', 1000);
    await endsInOrder(first);
    expect(first.output).not.toMatch(/bad frames [1-9]/);
    await generator.printed('link down');
    const second = peer(vhostUser, 'sink', '--no-check');
    await counts(second, 'received', 1000);
    await endsInOrder(generator);
    expect(generator.output).toContain('net_vhost_pci0: link up');
  });

  it('the responder returns each datagram unharmed', async () => {
    const { name, vhostUser } = await device();
    const responder = example('responder', name, '--ip', '198.18.0.2', '--port', '9');
    const checking = peer(vhostUser, 'both', '--count', '5000');
    await until('all have come back', () => !checking.running);
    expect(checking.exitCode, checking.output).toBe(0);
    await endsInOrder(responder);
    expect(last(responder, 'answered')).toBe(5000);
  });

  it('the bridge floods frames to an unknown address', async () => {
    const [left, right] = [await device(0), await device(1)];
    const bridge = example('bridge', left.name, right.name);
    peer(left.vhostUser, 'generate');
    await counts(peer(right.vhostUser, 'sink'), 'received', 1000);
    await counts(bridge, 'flooded', 1000);
    await endsInOrder(bridge);
    expect(last(bridge, 'forwarded')).toBe(0);
  });

  it.each([
    ['passes what a rule passes', 'pass udp 198.18.0.0/24 198.18.0.2:9', 'passed', 'refused'],
    ['refuses what no rule passes', 'pass udp any 198.18.0.2:10-65535', 'refused', 'passed'],
  ])('the filter %s', async (_, rule, more, none) => {
    const [left, right] = [await device(0), await device(1)];
    const rules = join(folder, 'rules');
    writeFileSync(rules, `# test\n${rule}\n`);
    const filter = example('filter', left.name, right.name, '--rules', rules);
    const sink = peer(right.vhostUser, 'sink');
    await sink.printed('is up');
    peer(left.vhostUser, 'generate');
    await counts(filter, more, 1000);
    if (more === 'passed') await counts(sink, 'received', 1000);
    await endsInOrder(filter);
    expect(last(filter, none)).toBe(0);
  });

  it('an example ends with exit status 1 when its device goes', async () => {
    const { name } = await device();
    const responder = example('responder', name);
    await responder.printed('received 0');
    await tools[0].kill('SIGTERM');
    await until('it ends', () => !responder.running);
    expect([responder.exitCode, responder.output]).toEqual([
      1,
      expect.stringContaining('the device is gone'),
    ]);
  });
});

describe.skipIf(tapMissing())('between kernels', () => {
  let kernels: Namespace[];
  beforeEach(() => {
    kernels = [];
  });
  afterEach(() => {
    for (const kernel of kernels) kernel.close();
  });

  /** Starts an example on one tap for each address, and moves each to a kernel of its own. */
  async function onTaps(name: string, addresses: readonly string[], ...more: string[]) {
    const interfaces = addresses.map(() => interfaceName());
    const tool = example(name, ...interfaces.map((iface, i) => `net_tap${i},iface=${iface}`), ...more);
    for (const [i, address] of addresses.entries()) {
      await tool.printed(`net_tap${i}: link`);
      const kernel = new Namespace();
      kernels.push(kernel);
      kernel.adopt(interfaces[i], address);
    }
    return { tool, interfaces };
  }

  const ping = (from: number, address: string) =>
    kernels[from].runAsync('ping', '-q', '-A', '-c', '50', address);

  /** Sends datagrams of all sizes to an address and returns how many came back unchanged. */
  const exchange = (from: number, address: string, port: number) =>
    kernels[from].runAsync(
      process.execPath,
      join(HERE, '../../test/support/udp-exchange.mjs'),
      address,
      `${port}`,
    );

  it('the responder answers ARP, ping and datagrams', async () => {
    const { tool } = await onTaps('responder', ['10.99.0.2/24'], '--ip', '10.99.0.1');
    expect(await ping(0, '10.99.0.1')).toContain('50 received, 0% packet loss');
    expect(await exchange(0, '10.99.0.1', 7)).toBe('64 of 64\n');
    await expect(kernels[0].runAsync('ping', '-c', '1', '-W', '1', '10.99.0.3')).rejects.toThrow(
      '100% packet loss',
    );
    await endsInOrder(tool);
  });

  it('the bridge connects three, learns where each is, and outlives a link that goes and comes back', async () => {
    const addresses = ['10.99.0.1', '10.99.0.2', '10.99.0.3'];
    const { tool, interfaces } = await onTaps(
      'bridge',
      addresses.map((address) => `${address}/24`),
    );
    for (const [from, to] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const)
      expect(await ping(from, addresses[to])).toContain('50 received, 0% packet loss');
    kernels[1].ip('link', 'set', interfaces[1], 'down');
    expect(await ping(2, addresses[0])).toContain('50 received, 0% packet loss');
    kernels[1].ip('link', 'set', interfaces[1], 'up');
    expect(await ping(0, addresses[1])).toContain('50 received, 0% packet loss');
    await endsInOrder(tool);
    expect(last(tool, 'forwarded')).toBeGreaterThan(4 * 50);
    // ARP requests, and little else.
    expect(last(tool, 'flooded')).toBeLessThan(50);
  });

  it('the filter passes one service and nothing else', async () => {
    const rules = join(folder, 'rules');
    writeFileSync(rules, 'pass udp any 10.99.0.2:5007\npass udp 10.99.0.2:5007 any\n');
    const { tool } = await onTaps('filter', ['10.99.0.1/24', '10.99.0.2/24'], '--rules', rules);
    const server = kernels[1].start(
      process.execPath,
      join(HERE, '../../test/support/udp-exchange.mjs'),
      'serve',
      '5007',
    );
    await new Promise((resolve) => server.stdout?.once('data', resolve));
    expect(await exchange(0, '10.99.0.2', 5007)).toBe('64 of 64\n');
    await expect(kernels[0].runAsync('ping', '-c', '1', '-W', '1', '10.99.0.2')).rejects.toThrow(
      '100% packet loss',
    );
    await endsInOrder(tool);
    expect(last(tool, 'refused')).toBeGreaterThan(0);
  });
});
