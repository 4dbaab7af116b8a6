// SPDX-License-Identifier: BSD-3-Clause
// net_pcap under testpmd: what is read from one file is forwarded into another, byte for byte.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCapture, writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
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
});
