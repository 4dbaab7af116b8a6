// SPDX-License-Identifier: BSD-3-Clause
// One guest's kernel against the other's: VM2 has a stock virtio-net driver, VM1 runs the PMD, which answers
// pings itself or connects the vhost-pci port to VM1's kernel through a tap.
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import type { Machine } from '../../tools/vm/machine.ts';
import { allAnswered, answers, ping, repliesCome, startPinging, stopPinging } from './pings.test-help.ts';
import { bind, describeRig, killGuestPmd, START_MS, startGuestPmd } from './rig.test-help.ts';

const MEBIBYTES = 200;
const TRANSFER_MS = 180_000;
const TRANSFER = readFileSync(new URL('./guest/transfer.py', import.meta.url), 'utf8');

describeRig("a guest's network", (rig) => {
  let peer: Machine;
  let guest: Machine;
  let seed = 0;

  beforeAll(async () => {
    await rig().startDevice();
    peer = await rig().startPeer();
    guest = await rig().startPmdGuest();
    for (const machine of [peer, guest]) await machine.run(`cat >/tmp/transfer.py <<'END'\n${TRANSFER}\nEND`);
    await bind(guest, 'vfio-pci');
    await peer.run('ip address add 10.0.0.2/24 dev eth0; ip link set eth0 up');
  });

  it('has 1000 pings answered by icmpecho, none lost', async () => {
    await startGuestPmd(guest, 'icmpecho');
    await answers(peer, '10.0.0.1');
    const said = await ping(peer, '10.0.0.1', 1000, 0.01);
    console.log(said.trim());
    expect(said).toContain(allAnswered(1000));
  });

  it('has a ping answered before the PMD is killed and after it was restarted', async () => {
    await startPinging(peer, '10.0.0.1');
    await repliesCome(peer, 20);
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'icmpecho');
    await repliesCome(peer, 50);
    console.log(await stopPinging(peer));
  });

  it('is connected to the kernel of the PMD guest by a tap', async () => {
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'io', { eal: '--vdev net_tap0,iface=tap0' });
    await guest.run('ip address add 10.0.0.1/24 dev tap0');
    // The address now has another owner.
    await peer.run('ip neighbour flush dev eth0');
    await answers(peer, '10.0.0.1');
    expect(await ping(peer, '10.0.0.1', 20, 0.05)).toContain(allAnswered(20));
    expect(await ping(guest, '10.0.0.2', 20, 0.05)).toContain(allAnswered(20));
  });

  const features = 'tcp-segmentation-offload|tx-checksumming';
  const settings = [
    { mtu: 1500, offloads: 'on' },
    { mtu: 1500, offloads: 'off' },
    { mtu: 9000, offloads: 'on' },
    { mtu: 9000, offloads: 'off' },
  ] as const;

  for (const { mtu, offloads } of settings) {
    const what = `with offloads ${offloads}, MTU ${mtu}`;

    it(`passes ${MEBIBYTES} MiB each way, ${what}, contents unchanged`, async () => {
      for (const [machine, iface] of [
        [peer, 'eth0'],
        [guest, 'tap0'],
      ] as const) {
        await machine.run(
          `ip link set ${iface} mtu ${mtu}; ethtool -K ${iface} tx ${offloads} tso ${offloads}`,
        );
        const state = await machine.run(`ethtool -k ${iface} | grep -E '^(${features}):'`);
        expect(state).toBe(`tx-checksumming: ${offloads}\ntcp-segmentation-offload: ${offloads}\n`);
      }
      expect(await ping(peer, '10.0.0.1', 5, 0.05, `-M do -s ${mtu - 28}`)).toContain(allAnswered(5));
      for (const [from, to, host, counters] of [
        [peer, guest, '10.0.0.1', 'rx'],
        [guest, peer, '10.0.0.2', 'tx'],
      ] as const) {
        const before = await totals(counters);
        const [sent, received] = await transfer(from, to, host);
        expect(received).toBe(sent);
        const after = await totals(counters);
        const mean = (after.bytes - before.bytes) / (after.packets - before.packets);
        console.log(`${from.name} to ${to.name}, ${what}: ${Math.round(mean)} bytes a packet`);
        if (offloads === 'on') expect(mean).toBeGreaterThan(mtu + 14);
        else expect(mean).toBeLessThanOrEqual(mtu + 14);
      }
    });

    it(`runs iperf3 both ways, ${what}`, async () => {
      await guest.run('iperf3 -s -D --pidfile /tmp/iperf3.pid');
      for (const direction of ['', '-R']) {
        const report = JSON.parse(await peer.run(`iperf3 -J -t 5 -c 10.0.0.1 ${direction}`, START_MS));
        const { bits_per_second, bytes } = report.end.sum_received;
        console.log(`iperf3 ${direction}, ${what}: ${Math.round(bits_per_second / 1e6)} Mbit/s`);
        expect(bytes).toBeGreaterThan(0);
      }
      await guest.run("kill $(tr -d '\\0' </tmp/iperf3.pid)");
    });
  }

  /** Traffic of the tap; rx is from the other guest. */
  async function totals(direction: 'rx' | 'tx'): Promise<{ bytes: number; packets: number }> {
    const read = await guest.run(
      `cd /sys/class/net/tap0/statistics; cat ${direction}_bytes ${direction}_packets`,
    );
    const [bytes = 0, packets = 0] = read.trim().split('\n').map(Number);
    return { bytes, packets };
  }

  async function transfer(from: Machine, to: Machine, host: string): Promise<string[]> {
    const received = to.run('python3 /tmp/transfer.py receive 5001', TRANSFER_MS);
    await to.run('while ! ss -ltn | grep -q :5001; do sleep 0.1; done');
    const sent = from.run(`python3 /tmp/transfer.py send ${host} 5001 ${MEBIBYTES} ${++seed}`, TRANSFER_MS);
    return Promise.all([sent, received]);
  }
});
