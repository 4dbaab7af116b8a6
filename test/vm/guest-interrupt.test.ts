// SPDX-License-Identifier: BSD-3-Clause
// The PMD in VM1 sleeps while no packets arrive; the function's MSI-X, through QEMU and vfio-pci, wakes it.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../tools/vm/machine.ts';
import { idleShare, startGuestPrompt, xstats } from './guest-prompt.test-help.ts';
import { allAnswered, answers, ping } from './pings.test-help.ts';
import { bind, describeRig, killGuestPmd } from './rig.test-help.ts';

/** Maximum share of a CPU for the lcores. */
const IDLE_SHARE = 0.02;
/**
 * Minimum wake-ups for ten packets: on a busy machine, one may arrive before the lcore sleeps after the
 * previous one.
 */
const WOKEN = 5;

describeRig('interrupt mode in a guest', (rig) => {
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    await rig().startDevice();
    peer = await rig().startPeer();
    guest = await rig().startPmdGuest();
    await bind(guest, 'vfio-pci');
    await peer.run('ip address add 10.0.0.2/24 dev eth0; ip link set eth0 up');
  });

  describe.each(['adaptive', 'on'])('--rx-interrupt=%s', (mode) => {
    it('uses less than 2 % of a CPU while no packets arrive', async () => {
      await startGuestPrompt(guest, 'icmpecho', `--rx-interrupt=${mode}`);
      await answers(peer, '10.0.0.1');
      expect(await idleShare(guest, IDLE_SHARE)).toBeLessThan(IDLE_SHARE);
    });

    it('wakes at each ping of an idle guest', async () => {
      const at = await xstats(guest);
      expect(await ping(peer, '10.0.0.1', 10, 1)).toContain(allAnswered(10));
      const then = await xstats(guest);
      for (const name of ['rx_q0_sleeps', 'rx_q0_interrupts']) {
        console.log(`${name}: ${at(name)}, then ${then(name)}`);
        expect(then(name) - at(name)).toBeGreaterThanOrEqual(WOKEN);
      }
    });

    it('answers 1000 pings, none lost', async () => {
      const said = await ping(peer, '10.0.0.1', 1000, 0.01);
      console.log(said.trim());
      expect(said).toContain(allAnswered(1000));
      await killGuestPmd(guest);
    });
  });

  it('connects the kernels by a tap: neither costs CPU while idle, either wakes it', async () => {
    await startGuestPrompt(guest, 'io', '--rx-interrupt=adaptive', '--vdev net_tap0,iface=tap0');
    await guest.run('ip address add 10.0.0.1/24 dev tap0');
    await peer.run('ip neighbour flush dev eth0');
    await answers(peer, '10.0.0.1');
    expect(await idleShare(guest, IDLE_SHARE)).toBeLessThan(IDLE_SHARE);
    const before = [await xstats(guest, 0), await xstats(guest, 1)];
    expect(await ping(peer, '10.0.0.1', 10, 1)).toContain(allAnswered(10));
    expect(await ping(guest, '10.0.0.2', 10, 1)).toContain(allAnswered(10));
    const after = [await xstats(guest, 0), await xstats(guest, 1)];
    // Each request and each answer arrives at a sleeping lcore, at one port or the other.
    for (const port of [0, 1]) {
      const woken = after[port]('rx_q0_interrupts') - before[port]('rx_q0_interrupts');
      console.log(`port ${port}: woken ${woken} times`);
      expect(woken).toBeGreaterThanOrEqual(WOKEN);
    }
  });
});
