// SPDX-License-Identifier: BSD-3-Clause
// What this project captures, read by Wireshark's tshark.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCapture, writeCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { statisticsIn } from '../tools/run/testpmd-output.ts';
import { nodeArguments, ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { collect, startTool } from './support/run-tool.ts';
import { frameOf } from './support/section-files.ts';
import { framesByTshark } from './support/tshark.ts';
import { until } from './support/wait.ts';

const FRAMES = Array.from({ length: 500 }, (_, i) => frameOf(60 + ((i * 7) % 300), i & 0xff));
/** Of a capture at full rate, one frame in so many is compared byte for byte. */
const SAMPLE = 97;

describe.skipIf(programMissing('tshark', 'tshark', 'captures read by tshark'))('tshark', () => {
  let folder = '';
  const file = (name: string) => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-tshark-'));
    process.env.RUNTIME_DIRECTORY = folder;
  });
  afterEach(() => {
    delete process.env.RUNTIME_DIRECTORY;
    rmSync(folder, { recursive: true });
  });

  it('reads a capture at full rate: packets and drops are what passed, and a sample is right byte for byte', async () => {
    writeCapture(file('in.pcap'), FRAMES);
    const vdev = `net_pcap0,rx_pcap=${file('in.pcap')},infinite_rx=1`;
    const testpmd = new Prompt(['--no-huge', '--vdev', vdev, '--', '-i', '--port-topology=loop']);
    try {
      await testpmd.prints('testpmd> ');
      const dumpcap = startTool('tools/dumpcap/main.ts', ['-w', file('out.pcapng')]);
      let said = '';
      dumpcap.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const ended = collect(dumpcap);
      await until('the capture has begun', () => said.includes('Capturing on'));
      await testpmd.say('start');
      await testpmd.receives(1_000_000);
      await testpmd.say('stop');
      const [port] = statisticsIn(await testpmd.say('show port stats 0'));
      dumpcap.kill('SIGINT');
      expect((await ended).code).toBe(0);
      const [, received, dropped] =
        /received\/dropped on interface 'net_pcap0': (\d+)\/(\d+)/.exec(said) ?? [];
      expect(Number(received) + Number(dropped)).toBe(Number(port?.rxPackets) + Number(port?.txPackets));

      const known = new Set(FRAMES.map((frame) => Buffer.from(frame).toString('hex')));
      let [frames, strange, backwards, last] = [0, 0, 0, 0n];
      for await (const { time, originalLength, bytes } of framesByTshark(file('out.pcapng'))) {
        if (time < last) backwards++;
        last = time;
        if (frames++ % SAMPLE > 0) continue;
        if (originalLength !== bytes.length || !known.has(bytes.toString('hex'))) strange++;
      }
      expect({ frames, strange, backwards }).toEqual({ frames: Number(received), strange: 0, backwards: 0 });
    } finally {
      await testpmd.kill();
    }
  });

  it('reads what the generator has captured as our own reader does', async () => {
    const args = ['--rate', '10kpps', '--count', '500', '--max-lag', '5000', '--capture', file('g.pcapng')];
    const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
    const script = nodeArguments('tools/pktgen/main.ts');
    const { status, stderr } = spawnSync(process.execPath, [...script, ...args], options);
    expect(status, stderr).toBe(0);
    const theirs: string[] = [];
    for await (const { bytes } of framesByTshark(file('g.pcapng'))) theirs.push(bytes.toString('hex'));
    expect(theirs).toHaveLength(1000);
    expect(theirs).toEqual(readCapture(file('g.pcapng')).map((frame) => Buffer.from(frame).toString('hex')));
  });

  it('refuses what is cut', async () => {
    writeCapture(file('in.pcap'), FRAMES, { pcapng: true });
    truncateSync(file('in.pcap'), statSync(file('in.pcap')).size - 5);
    await expect(async () => {
      for await (const _ of framesByTshark(file('in.pcap')));
    }).rejects.toThrow('cut short');
  });
});
