// SPDX-License-Identifier: BSD-3-Clause
// The examples' poll loops allocate nothing. The addresses are above 127.255.255.255: as unsigned numbers,
// V8 would box them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openPort, ports } from '../../src/drivers/registry.ts';
import { launch } from '../../src/lcore/launch.ts';
import { native } from '../../src/native.ts';
import { UDP_FRAME_HEADERS, udpFrameHeaders } from '../../src/packet/frames.ts';
import { ipv4Number } from '../../src/packet/ipv4.ts';
import { macBytes } from '../../src/packet/mac.ts';
import { COUNTED, GROWTH } from '../../test/support/example-garbage.ts';
import { startDeviceModel, Tool } from '../../test/support/tool.ts';
import { compileRules } from './rules.ts';

const HERE = import.meta.dirname;
const cpu = native.getAffinity().at(-1) as number;
/** The measurement leaves a few hundred bytes; a boxed number a burst would be 24 kilobytes. */
const LIMIT = 16_000;
const MACS = ['02:00:00:00:00:01', 'fe:00:00:00:00:02'] as const;

/** Its reply is such a frame again, so that buffers that are used again hold requests. */
const frame = (sourceMac: string = MACS[0], destinationMac: string = MACS[1]) => {
  const addresses = {
    sourceIp: '198.18.0.1',
    destinationIp: '198.18.0.1',
    sourcePort: 9,
    destinationPort: 9,
  };
  return udpFrameHeaders({ sourceMac, destinationMac, ...addresses }, UDP_FRAME_HEADERS);
};

afterEach(() => {
  for (const port of ports()) port.close();
});

async function run(name: string, devices: readonly string[], data: unknown, bytes = frame()) {
  const lcore = launch({
    cpu,
    module: join(HERE, '../../test/support/example-garbage.ts'),
    ports: devices.map((device) => openPort(device)),
    data: { example: join(HERE, `${name}.ts`), frame: bytes, data },
  });
  await lcore.exited;
  expect(lcore.stats[COUNTED]).toBeGreaterThan(0);
  return lcore.stats[GROWTH];
}

const nulls = (count: number) => Array.from({ length: count }, (_, i) => `net_null${i}`);
const bridge = () => ({ clock: new Int32Array(new SharedArrayBuffer(4)), maxAge: 300 });
const frames = { headers: frame(), size: 64 };
const rules = () => compileRules('drop tcp any any\npass udp 198.0.0.0/8 198.18.0.1:9');

it.each([
  ['forward', 'swaps addresses', 2, undefined, frame()],
  ['bridge', 'floods', 3, bridge(), frame()],
  ['bridge', 'knows the receiver', 3, bridge(), frame(MACS[1], MACS[1])],
  ['responder', 'answers', 1, { mac: macBytes(MACS[1]), ip: ipv4Number('198.18.0.1'), port: 9 }, frame()],
  ['generator', 'sends through mbufs', 1, frames, frame()],
  ['filter', 'passes packets', 2, rules(), frame()],
])('the loop of %s allocates nothing when it %s', async (name, _, count, data, bytes) => {
  expect(await run(name, nulls(count), data, bytes)).toBeLessThan(LIMIT);
});

it('the loop of generator allocates nothing when it writes in place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'garbage-'));
  const [vhostUser, vfioUser] = [join(folder, 'vhost'), join(folder, 'vfio')];
  const device = await startDeviceModel({ vhostUser, vfioUser });
  const peer = new Tool('tools/peer/main.ts', ['--vhost-user', vhostUser, '--mode', 'sink', '--no-check']);
  try {
    const port = openPort(`net_vhost_pci0,path=${vfioUser}`);
    await peer.printed('is up');
    while (!port.link().up) await new Promise((resolve) => port.on('link', () => resolve(undefined)));
    port.close();
    expect(await run('generator', [`net_vhost_pci0,path=${vfioUser}`], frames)).toBeLessThan(LIMIT);
  } finally {
    for (const port of ports()) port.close();
    await peer.kill();
    await device.kill();
    rmSync(folder, { recursive: true });
  }
});
