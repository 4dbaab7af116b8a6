// SPDX-License-Identifier: BSD-3-Clause
// `vlan set filter on` and `rx_vlan add` against a trunk port of Open vSwitch: no driver of DPDK that runs
// without a NIC filters VLANs. VLAN 0 is added to both: a trunk drops what has no tag without it, a NIC only
// what has a tag of VLAN 0.
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Namespace, tapMissing } from './support/netns.ts';
import { bytes, ether, ipv4, type Tags, udp } from './support/packets.ts';
import { ROOT } from './support/program.ts';
import { programMissing } from './support/program-missing.ts';
import { Prompt } from './support/prompt.ts';
import { until } from './support/wait.ts';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const frame = (n: number, tags: Tags = []) => ether(0x0800, ipv4({ protocol: 17 }, udp(bytes(30 + n))), tags);
const TAGS: Readonly<Record<string, Tags>> = {
  'VLAN 5': [[0x8100, 5]],
  'VLAN 5 with a priority': [[0x8100, 0xe005]],
  'VLAN 6': [[0x8100, 6]],
  'VLAN 0 with a priority': [[0x8100, 0x2000]],
  'VLAN 4094': [[0x8100, 4094]],
  'VLAN 261, which differs from 5 in one bit': [[0x8100, 0x105]],
  'VLAN 5 around VLAN 6': [
    [0x8100, 5],
    [0x8100, 6],
  ],
  'VLAN 6 around VLAN 5': [
    [0x8100, 6],
    [0x8100, 5],
  ],
  'no tag': [],
};
const FRAMES = Object.fromEntries(Object.entries(TAGS).map(([name, tags], n) => [name, frame(n, tags)]));

let kernel: Namespace;
let folder: string;
let testpmd: Prompt | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-trunk-'));
  kernel = new Namespace();
  for (const [near, far] of [
    ['in', 'left'],
    ['out', 'right'],
  ] as const) {
    kernel.ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
    for (const side of [near, far]) kernel.ip('link', 'set', side, 'up');
  }
});

afterEach(async () => {
  await testpmd?.kill();
  testpmd = undefined;
  kernel.close();
  rmSync(folder, { recursive: true });
});

/** A switch of its own between `left`, which takes these VLANs, and `right`. */
async function openVswitch(vlans: readonly number[]): Promise<void> {
  const paths = ['RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR'].map((name) => `OVS_${name}=${folder}`);
  const [conf, db, log] = [join(folder, 'conf.db'), join(folder, 'db.sock'), '--log-file=/dev/null'];
  kernel.run('env', ...paths, 'ovsdb-tool', 'create', conf, SCHEMA);
  kernel.start('env', ...paths, 'ovsdb-server', conf, `--remote=punix:${db}`, log);
  await until('the database is there', () => existsSync(db));
  kernel.start('env', ...paths, 'ovs-vswitchd', `unix:${db}`, `--unixctl=${join(folder, 'ctl')}`, log);
  const vsctl = ['env', ...paths, 'ovs-vsctl', `--db=unix:${db}`, '--timeout=30'] as const;
  kernel.run(...vsctl, 'init');
  const bridge = ['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=netdev'];
  const trunk = ['add-port', 'br0', 'left', 'vlan_mode=trunk', `trunks=${vlans}`];
  kernel.run(...vsctl, ...bridge, '--', ...trunk, '--', 'add-port', 'br0', 'right');
}

async function ours(vlans: readonly number[]): Promise<void> {
  const vdevs = ['--vdev', 'net_pcap0,iface=left', '--vdev', 'net_pcap1,iface=right'];
  testpmd = new Prompt(['--no-huge', '--no-telemetry', ...vdevs, '--', '-i'], (words) => [
    ...['ip', 'netns', 'exec', kernel.name],
    ...words,
  ]);
  await testpmd.prints('testpmd> ');
  testpmd.write('vlan set filter on 0');
  for (const vlan of vlans) testpmd.write(`rx_vlan add ${vlan} 0`);
  testpmd.write('start');
  await testpmd.prints('packets/burst');
}

/** Sends frames; returns what comes out at the other side: `count`, in any order, as Open vSwitch does. */
async function through(frames: readonly Buffer[], count: number): Promise<string[]> {
  const script = kernel.start('python3', join(ROOT, 'test/support/veth-frames.py'), 'in', `${count}`, 'out');
  let came = '';
  script.stdout?.on('data', (data) => {
    came += data;
  });
  script.stdin?.end(frames.map((one) => `${one.toString('hex')}\n`).join(''));
  await once(script, 'close');
  return came.trim().split('\n').sort();
}

/** Packets that have come out at the other side. */
function arrived(): number {
  const [out] = JSON.parse(kernel.ip('-s', '-j', 'link', 'show', 'out'));
  return out.stats64.rx.packets;
}

const WHAT = 'comparison of the VLAN filter with Open vSwitch';
const missing =
  tapMissing() ||
  programMissing('python3', 'python3', WHAT) ||
  programMissing('ovs-vswitchd', 'openvswitch-switch', WHAT);

const FIVE = ['VLAN 5', 'VLAN 5 with a priority', 'VLAN 5 around VLAN 6'];
const SIX = ['VLAN 6', 'VLAN 6 around VLAN 5'];

describe.skipIf(missing).each([
  [
    [0, 5],
    [...FIVE, 'VLAN 0 with a priority', 'no tag'],
  ],
  [
    [0, 6, 4094],
    [...SIX, 'VLAN 0 with a priority', 'VLAN 4094', 'no tag'],
  ],
  [[0], ['VLAN 0 with a priority', 'no tag']],
])('the filter for VLANs %j', (vlans, names) => {
  const wanted = Object.keys(FRAMES).filter((name) => names.includes(name));
  const frames = wanted.map((name) => FRAMES[name]?.toString('hex')).sort();
  it.each([
    ['a trunk of Open vSwitch', openVswitch],
    ['vhost-pci-testpmd', ours],
  ] as const)('passes the same in %s', async (_, begin) => {
    await begin(vlans);
    expect(await through(Object.values(FRAMES), wanted.length)).toEqual(frames);
    // One behind all others, so that none comes later.
    const last = frame(99);
    expect(await through([last], 1)).toEqual([last.toString('hex')]);
    expect(arrived()).toBe(wanted.length + 1);
  });
});
