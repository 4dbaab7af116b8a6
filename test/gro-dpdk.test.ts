// SPDX-License-Identifier: BSD-3-Clause
// GRO against dpdk-testpmd: the same packets wait in a tap, come as one burst, and go into a capture. DPDK's
// net_tap recognises TCP, without which librte_gro takes no packet.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCapture } from '../src/drivers/pcap/pcap.test-help.ts';
import { native } from '../src/native.ts';
import { internetChecksum } from '../src/packet/checksum.ts';
import { driversMissing } from './support/dpdk.ts';
import { Namespace, tapMissing } from './support/netns.ts';
import { bytes, ether, ipv4, tcp } from './support/packets.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { until } from './support/wait.ts';

const DF = 0x4000;
const PSH = 0x18;

interface Segment {
  readonly at: number;
  readonly length: number;
  readonly flags?: number;
  readonly id?: number;
  readonly options?: readonly number[];
}

const of = (at: number, length: number, other: Partial<Segment> = {}): Segment => ({ at, length, ...other });

/** Connections of which both make the same. */
const ALIKE: Readonly<Record<string, readonly Segment[]>> = {
  'three that follow one another': [of(0, 100), of(100, 100), of(200, 60)],
  'a gap': [of(0, 100), of(200, 100)],
  'one with PSH': [of(0, 100), of(100, 100, { flags: PSH })],
  'the same options': [0, 100].map((at) => of(at, 100, { options: [1, 1, 1, 0] })),
  'other options': [0, 1].map((n) => of(n * 100, 100, { options: [1, 1, 1, n] })),
  'identifications that count up': [0, 1, 2].map((n) => of(n * 100, 100, { id: n + 7 })),
  'the same identification': [0, 1].map((n) => of(n * 100, 100, { id: 7 })),
  'eight full ones': Array.from({ length: 8 }, (_, n) => of(n * 1400, 1400)),
};

/** Connections that DPDK makes one packet of (with an empty one beside it), and ours more. */
const APART: Readonly<Record<string, readonly Segment[]>> = {
  'a longer one behind': [of(0, 100), of(100, 120)],
  'a shorter one between': [of(0, 100), of(100, 60), of(160, 100)],
  'the second first': [of(100, 100), of(0, 100)],
  'an empty one between': [of(0, 100), of(100, 0), of(100, 100)],
};

const ALL = { ...ALIKE, ...APART };
const portOf = (name: string) => 5000 + Object.keys(ALL).indexOf(name);

function frame(name: string, { at, length, id, ...other }: Segment): Buffer {
  const segment = tcp(bytes(length, at), { sequence: 1000 + at, ports: [portOf(name), 80], ...other });
  const fragment = id === undefined ? DF : 0;
  return ether(0x0800, ipv4({ protocol: 6, id: id ?? 0, fragment }, segment));
}

/** The first of each connection, the second of each, and so on. */
const FRAMES = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((n) =>
  Object.entries(ALL).flatMap(([name, segments]) => segments.slice(n, n + 1).map((one) => frame(name, one))),
);

const cpus = native.getAffinity();
const EAL = [`--lcores=0@${cpus[0]},1@${cpus.at(-1)}`, '--no-huge'];

/** What a testpmd makes of them, by source port. */
async function merged(dpdk: boolean): Promise<Map<number, Buffer[]>> {
  const kernel = new Namespace();
  const folder = mkdtempSync(join(tmpdir(), 'vpci-gro-'));
  const capture = join(folder, 'sent.pcap');
  const vdevs = ['--vdev', 'net_tap0,iface=left', '--vdev', `net_pcap1,tx_pcap=${capture}`];
  const own = [...vdevs, '--', '-i', '--no-flush-rx', '--burst=64'];
  const theirs = ['dpdk-testpmd', ...EAL, '-m', '256', '--no-pci', `--file-prefix=${kernel.name}`];
  const inside = (words: readonly string[]) => ['ip', 'netns', 'exec', kernel.name, ...words];
  const testpmd = dpdk
    ? new Prompt([], () => inside(['stdbuf', '-oL', ...theirs, ...own, '--total-num-mbufs=8192']))
    : new Prompt([...EAL, '--no-telemetry', ...own], inside);
  try {
    await testpmd.prints('testpmd> ');
    for (const line of ['set fwd csum', 'csum mac-swap off 0', 'csum mac-swap off 1', 'set port 0 gro on'])
      testpmd.write(line);
    testpmd.write('show config fwd');
    await testpmd.prints('packet forwarding - ports');
    const script = kernel.start('python3', join(ROOT, 'test/support/veth-frames.py'), 'left', '0');
    script.stdin?.end(FRAMES.map((one) => `${one.toString('hex')}\n`).join(''));
    await once(script, 'close');
    testpmd.write('start');
    await until('all packets were read', () => {
      testpmd.write('show port stats 0');
      return testpmd.out.includes(`RX-packets: ${FRAMES.length} `);
    });
    for (const line of ['stop', 'quit']) testpmd.write(line);
    await until('testpmd ends', () => !testpmd.running);
    return byPort(readCapture(capture));
  } finally {
    await testpmd.kill();
    kernel.close();
    rmSync(folder, { recursive: true });
  }
}

/** Those of a connection by sequence number: DPDK sends what it merged before the rest. */
function byPort(frames: readonly Uint8Array[]): Map<number, Buffer[]> {
  const all = new Map<number, Buffer[]>();
  for (const each of frames) {
    const one = Buffer.from(each);
    const port = one.readUInt16BE(34);
    all.set(
      port,
      [...(all.get(port) ?? []), one].sort((a, b) => a.readUInt32BE(38) - b.readUInt32BE(38)),
    );
  }
  return all;
}

const withoutChecksum = (one: Buffer) =>
  Buffer.concat([one.subarray(0, 50), one.subarray(52)]).toString('hex');

/** 0 if the checksum of TCP is right. */
function residue(one: Buffer): number {
  const length = one.length - 34;
  const pseudo = Buffer.of(0, 6, length >> 8, length & 0xff);
  const sum = Buffer.concat([one.subarray(26, 34), pseudo, one.subarray(34)]);
  return internetChecksum(sum, 0, sum.length);
}

const WHAT = 'comparison of GRO with dpdk-testpmd';
const missing =
  driversMissing(['net_tap', 'net_pcap'], WHAT) || tapMissing() || programMissing('python3', 'python3', WHAT);

describe.skipIf(missing)('GRO beside dpdk-testpmd', () => {
  let theirs = new Map<number, Buffer[]>();
  let ours = new Map<number, Buffer[]>();
  beforeAll(async () => {
    theirs = await merged(true);
    ours = await merged(false);
  });
  const sentOf = (name: string) => {
    const of = (sent: Map<number, Buffer[]>) => sent.get(portOf(name)) ?? [];
    return { theirs: of(theirs), ours: of(ours) };
  };

  it.each(Object.keys(ALIKE))('makes the same of %s, byte for byte but for the checksum of TCP', (name) => {
    const sent = sentOf(name);
    expect(sent.ours.map(withoutChecksum)).toEqual(sent.theirs.map(withoutChecksum));
    expect(sent.ours.length).toBeGreaterThan(0);
  });

  // docs/dialect.md: only what can be segmented again as it came.
  it.each(Object.keys(APART))('leaves apart what DPDK makes one of: %s', (name) => {
    const sent = sentOf(name);
    const withData = ({ theirs: them }: typeof sent) => them.filter((one) => one.readUInt16BE(16) > 40);
    expect(withData(sent)).toHaveLength(1);
    expect(sent.ours.length).toBeGreaterThan(1);
  });

  it('gives each packet the right checksums, where DPDK leaves that of the first', () => {
    const all = [...ours.values()].flat();
    expect(all.map((one) => [internetChecksum(one, 14, 20), residue(one)])).toEqual(all.map(() => [0, 0]));
    const first = 'three that follow one another';
    expect(sentOf(first).theirs.map(residue)).not.toEqual([0]);
    expect(sentOf(first).ours).toHaveLength(1);
  });
});
