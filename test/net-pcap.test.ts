// SPDX-License-Identifier: BSD-3-Clause
// net_pcap under testpmd: what is read from one file is forwarded into another, byte for byte.
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCapture, writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { findProgram } from '../tools/run/programs.ts';
import { Testpmd } from '../tools/run/testpmd.ts';
import { Namespace, tapMissing } from './support/netns.ts';
import { Prompt } from './support/prompt.ts';
import { frameOf } from './support/section-files.ts';
import { until } from './support/wait.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-net-pcap-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const FRAMES = Array.from({ length: 500 }, (_, i) => frameOf(60 + ((i * 7) % 1455), i & 0xff));

async function forward(files: string): Promise<string> {
  const vdev = `net_pcap0,${files}`;
  const testpmd = new Prompt([
    '--no-huge',
    '--no-telemetry',
    '--vdev',
    vdev,
    '--',
    '-i',
    '--port-topology=loop',
  ]);
  try {
    await testpmd.prints('testpmd> ');
    testpmd.write('start');
    testpmd.write('show port stats 0');
    const sent = () => /TX-packets: 500 /.test(testpmd.out);
    await until('all packets have passed', () => {
      if (!sent()) testpmd.write('show port stats 0');
      return sent();
    });
    testpmd.write('quit');
    await until('testpmd ends', () => !testpmd.running);
    return testpmd.out;
  } finally {
    await testpmd.kill();
  }
}

describe('testpmd over net_pcap', () => {
  it('forwards a file into another, byte for byte', async () => {
    const [from, to] = [join(folder, 'from.pcapng'), join(folder, 'to.pcap')];
    writeCapture(from, FRAMES, { pcapng: true });
    expect(await forward(`rx_pcap=${from},tx_pcap=${to}`)).toContain('RX-packets: 500');
    expect(readCapture(to).map(String)).toEqual(FRAMES.map(String));
  });

  it('regression: ends with status 1 when the disk was full, after one line', async () => {
    const [from, to] = [join(folder, 'from.pcap'), join(folder, 'to.pcap')];
    writeCapture(from, FRAMES);
    const device = `net_pcap0,rx_pcap=${from},infinite_rx=1,tx_pcap=${to}`;
    const testpmd = new Prompt(['--no-huge', '--no-telemetry', '--vdev', device, '--', '-i', '-a']);
    try {
      await testpmd.prints('testpmd> ');
      await testpmd.say('stop');
      await testpmd.say('port stop 0');
      await testpmd.say('port start 0');
      rmSync(to);
      symlinkSync('/dev/full', to);
      await testpmd.say('start');
      await testpmd.prints(`Failed to write ${to}: ENOSPC`);
      await testpmd.say('stop');
      testpmd.write('quit');
      await until('testpmd ends', () => !testpmd.running);
      expect([testpmd.exit, testpmd.out.split('ENOSPC').length]).toEqual([1, 2]);
    } finally {
      await testpmd.kill();
    }
  });

  it.skipIf(!dpdkHasPcap())(
    "writes a file that DPDK's net_pcap reads, and reads the one that it writes",
    async () => {
      const file = (name: string) => join(folder, `${name}.pcap`);
      writeCapture(file('from'), FRAMES);
      await forward(`rx_pcap=${file('from')},tx_pcap=${file('middle')}`);
      const eal = ['--no-huge', '-m', '64', '--no-pci', '--no-telemetry', '--lcores', '0@0,1@0'];
      const device = ['--vdev', `net_pcap0,rx_pcap=${file('middle')},tx_pcap=${file('theirs')}`];
      // It would throw away at the start what it finds in a queue, all of the file.
      const app = ['-i', '--total-num-mbufs=2048', '--port-topology=loop', '--no-flush-rx'];
      const command = ['stdbuf', '-oL', 'dpdk-testpmd', ...eal, ...device, '--', ...app];
      const env = { RUNTIME_DIRECTORY: folder };
      const dpdk = new Testpmd({ name: 'dpdk-testpmd', command, env, maxRunMs: 60_000 }, 1);
      await dpdk.prompt(30_000);
      dpdk.write('start');
      await until('all packets have passed', () => {
        const passed = dpdk.output.includes('TX-packets: 500 ');
        if (!passed) dpdk.write('show port stats 0');
        return passed;
      });
      dpdk.write('quit');
      await dpdk.gone;
      await forward(`rx_pcap=${file('theirs')},tx_pcap=${file('to')}`);
      expect(readCapture(file('to')).map(String)).toEqual(FRAMES.map(String));
    },
  );
});

function dpdkHasPcap(): boolean {
  const libraries = '/usr/lib/x86_64-linux-gnu/dpdk';
  if (!findProgram('dpdk-testpmd') || !existsSync(libraries)) return false;
  const drivers = readdirSync(libraries).flatMap((name) => readdirSync(join(libraries, name)));
  return drivers.some((name) => name.startsWith('librte_net_pcap.so'));
}

describe.skipIf(tapMissing())('testpmd over net_pcap on interfaces', () => {
  let space: Namespace;
  let testpmd: Prompt | undefined;
  beforeEach(() => {
    space = new Namespace();
    space.ip('link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right');
    for (const name of ['left', 'right']) space.ip('link', 'set', name, 'up');
  });
  afterEach(async () => {
    await testpmd?.kill();
    space.close();
  });

  async function start(within: string[], ...vdevs: string[]): Promise<Prompt> {
    const devices = vdevs.flatMap((vdev) => ['--vdev', vdev]);
    const args = ['--no-huge', '--no-telemetry', ...devices, '--', '-i', '--port-topology=loop'];
    testpmd = new Prompt(args, (words) => ['ip', 'netns', 'exec', space.name, ...within, ...words]);
    await until('testpmd has started', () => !testpmd?.running || /testpmd> /.test(testpmd.out));
    return testpmd;
  }

  it('sends to one and receives from one, byte for byte, VLAN tags included', async () => {
    const tagged = FRAMES.map((frame, i) => {
      if (i % 3 !== 0) return frame;
      const head = [...frame.subarray(0, 12), 0x81, 0x00, 0x20, 0x07];
      return Uint8Array.from([...head, ...frame.subarray(12, 1400)]);
    });
    writeCapture(join(folder, 'in.pcap'), tagged);
    const [from, to] = [`rx_pcap=${join(folder, 'in.pcap')}`, `tx_pcap=${join(folder, 'out.pcap')}`];
    const pmd = await start(
      [],
      `net_pcap0,${from},tx_iface=left`,
      `net_pcap1,rx_iface_in=right,${to},phy_mac=1`,
    );
    const [mac] = /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(space.ip('link', 'show', 'right')) ?? [''];
    expect((await pmd.say('show port info 1')).toLowerCase()).toContain(mac);
    await pmd.say('start');
    const out = () => pmd.say('show port stats 1');
    for (let text = await out(); !/TX-packets: 500 /.test(text); text = await out())
      expect(text).toContain('TX-errors: 0');
    await pmd.say('stop');
    pmd.write('quit');
    await until('testpmd ends', () => !pmd.running);
    expect(readCapture(join(folder, 'out.pcap')).map(String)).toEqual(tagged.map(String));
  });

  it('regression: says that its interface is gone, and does not start again without it', async () => {
    const pmd = await start([], 'net_pcap0,iface=left');
    expect(await pmd.say('show port summary 0')).toMatch(/up +10 Gbps/);
    space.ip('link', 'delete', 'left');
    const gone = 'interface left is gone: detach the port and attach it again';
    await pmd.prints(`Port 0: no link: ${gone}`);
    expect(pmd.out).toContain('Port 0: link state change event');
    expect(await pmd.say('show port summary 0')).toMatch(/down +None/);
    await pmd.say('port stop 0');
    expect(await pmd.say('port start 0')).toContain(`Failed to start port 0: ${gone}`);
    expect(await pmd.say('port start 0')).not.toContain('is now not stopped');
    pmd.write('quit');
    await until('testpmd ends', () => !pmd.running);
  });

  it('refuses without permission, in one line', async () => {
    const pmd = await start(['setpriv', '--bounding-set', '-net_raw'], 'net_pcap0,iface=left');
    await until('testpmd ends', () => !pmd.running);
    expect(pmd.exit).toBe(1);
    expect(pmd.out.trim().split('\n').at(-1)).toMatch(/left: EPERM: it takes root, or CAP_NET_RAW/);
  });
});
