// SPDX-License-Identifier: BSD-3-Clause
// VM2 uses a guest kernel's legacy driver: QEMU shows it a card from before virtio 1.0, whose network header
// has 10 bytes without mergeable buffers. VM1 runs the PMD.
import { beforeAll, expect, it } from 'vitest';
import type { Machine } from '../../tools/vm/machine.ts';
import { PEER_ADDRESS } from '../../tools/vm/qemu.ts';
import { say, startGuestPrompt, xstats } from './guest-prompt.test-help.ts';
import { allAnswered, answers, ping } from './pings.test-help.ts';
import { allCameBack, bind, describeRig, echo, killGuestPmd } from './rig.test-help.ts';

const FRAMES = 2000;
const PINGS = 100;
/** Bits of a virtio device's `features` in sysfs, a string that starts with bit 0. */
const MRG_RXBUF = 15;
const VERSION_1 = 32;

describeRig('the PMD in a guest and the legacy driver of the other', (rig) => {
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    await rig().startDevice();
    peer = await rig().startPeer({ card: 'disable-modern=on,disable-legacy=off,mrg_rxbuf=off' });
    guest = await rig().startPmdGuest();
    await bind(guest, 'vfio-pci');
  });

  it('agree that the device is legacy, with the short header', async () => {
    await startGuestPrompt(guest, 'macswap', '');
    const features = (await peer.run(`cat /sys/bus/pci/devices/${PEER_ADDRESS}/virtio*/features`)).trim();
    expect([features[VERSION_1], features[MRG_RXBUF]]).toEqual(['0', '0']);
    const [said] = /Peer features: .*/.exec(await say(guest, 'show port info 0')) ?? [];
    console.log(said);
    expect(said).toMatch(/^Peer features: \w/);
    expect(said).not.toMatch(/VERSION_1|MRG_RXBUF/);
  });

  it('exchange frames of all sizes, contents unchanged', async () => {
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect((await xstats(guest))('rx_q0_errors')).toBe(0);
    await killGuestPmd(guest);
  });

  it("connect the two kernels by a tap: each answers the other's pings", async () => {
    await startGuestPrompt(guest, 'io', '', '--vdev net_tap0,iface=tap0');
    await guest.run('ip address add 10.0.0.1/24 dev tap0');
    await peer.run('ip address add 10.0.0.2/24 dev eth0');
    await answers(peer, '10.0.0.1');
    for (const [machine, host] of [
      [peer, '10.0.0.1'],
      [guest, '10.0.0.2'],
    ] as const) {
      const answered = await ping(machine, host, PINGS, 0.02);
      console.log(`${machine.name}: ${answered.trim()}`);
      expect(answered).toContain(allAnswered(PINGS));
    }
  });
});
