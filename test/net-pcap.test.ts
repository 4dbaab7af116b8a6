// SPDX-License-Identifier: BSD-3-Clause
// net_pcap under testpmd: what is read from one file is forwarded into another, byte for byte.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCapture, writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { findProgram } from '../tools/run/programs.ts';
import { Testpmd } from '../tools/run/testpmd.ts';
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
