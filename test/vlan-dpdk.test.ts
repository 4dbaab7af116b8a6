// SPDX-License-Identifier: BSD-3-Clause
// Tags against dpdk-testpmd and Linux: frames through a veth whose other end both work, DPDK by
// net_af_packet, which strips tags as the kernel hands them out and adds them in software.
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../src/native.ts';
import { dpdkMissing } from './support/dpdk.ts';
import { Namespace, tapMissing } from './support/netns.ts';
import { bytes, ether, ipv4, type Tags, udp } from './support/packets.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { until } from './support/wait.ts';

const frame = (n: number, tags: Tags = []) => ether(0x0800, ipv4({ protocol: 17 }, udp(bytes(30 + n))), tags);
const FRAMES: Readonly<Record<string, Buffer>> = {
  untagged: frame(1),
  tagged: frame(2, [[0x8100, 5]]),
  'with a priority': frame(3, [[0x8100, 0x6005]]),
  'of VLAN 0': frame(4, [[0x8100, 0x2000]]),
  'tagged twice': frame(5, [
    [0x8100, 6],
    [0x8100, 5],
  ]),
};

let kernel: Namespace;
const running: Prompt[] = [];
const cpus = native.getAffinity();
const EAL = [`--lcores=0@${cpus[0]},1@${cpus.at(-1)}`, '--no-huge'];

async function through(dpdk: boolean, options: readonly string[], lines: readonly string[]) {
  const own = ['--', '-i', '--port-topology=loop', ...options];
  const theirs = [
    'stdbuf',
    '-oL',
    'dpdk-testpmd',
    ...EAL,
    '-m',
    '256',
    '--no-pci',
    `--file-prefix=${kernel.name}`,
  ];
  const inside = (words: readonly string[]) => ['ip', 'netns', 'exec', kernel.name, ...words];
  const testpmd = dpdk
    ? new Prompt([], () =>
        inside([...theirs, '--vdev', 'net_af_packet0,iface=left', ...own, '--total-num-mbufs=8192']),
      )
    : new Prompt([...EAL, '--no-telemetry', '--vdev', 'net_pcap0,iface=left', ...own], inside);
  running.push(testpmd);
  await testpmd.prints('testpmd> ');
  for (const line of [...lines, 'start']) testpmd.write(line);
  await testpmd.prints('packets/burst');
  const script = kernel.start('python3', join(ROOT, 'test/support/veth-frames.py'), 'right');
  let came = '';
  script.stdout?.on('data', (data) => {
    came += data;
  });
  script.stdin?.end(
    Object.values(FRAMES)
      .map((one) => `${one.toString('hex')}\n`)
      .join(''),
  );
  await once(script, 'close');
  for (const line of ['stop', 'quit']) testpmd.write(line);
  await until('testpmd ends', () => !testpmd.running);
  const sent = came.trim().split('\n');
  return Object.fromEntries(Object.keys(FRAMES).map((name, i) => [name, sent[i]]));
}

const missing =
  dpdkMissing() ||
  tapMissing() ||
  programMissing('python3', 'python3', 'comparison of tags with dpdk-testpmd');

describe.skipIf(missing)('tags are those of dpdk-testpmd on net_af_packet', () => {
  beforeEach(() => {
    kernel = new Namespace();
    kernel.ip('link', 'add', 'left', 'type', 'veth', 'peer', 'name', 'right');
    for (const side of ['left', 'right']) kernel.ip('link', 'set', side, 'up');
  });
  afterEach(async () => {
    for (const testpmd of running.splice(0)) await testpmd.kill();
    kernel.close();
  });

  const STOPPED = (line: string) => ['port stop 0', line, 'port start 0'];
  it.each([
    ['where packets only pass', [], ['set fwd io'], FRAMES.tagged],
    ['where they are stripped', ['--enable-hw-vlan-strip'], ['set fwd io'], frame(2)],
    ['where one is added', [], ['set fwd 5tswap', ...STOPPED('tx_vlan set 0 77')], undefined],
    [
      'where they are replaced',
      ['--enable-hw-vlan-strip'],
      ['set fwd macswap', ...STOPPED('tx_vlan set 0 0x123')],
      undefined,
    ],
  ] as const)('%s', async (_, options, lines, tagged) => {
    const theirs = await through(true, options, lines);
    const ours = await through(false, options, lines);
    expect(ours).toEqual(theirs);
    expect(Object.values(ours).filter((one) => one !== undefined)).toHaveLength(Object.keys(FRAMES).length);
    if (tagged) expect(ours.tagged).toBe(tagged.toString('hex'));
  });
});
