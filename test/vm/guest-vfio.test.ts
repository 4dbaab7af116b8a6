// SPDX-License-Identifier: BSD-3-Clause
// The project's main configuration: the PMD in a guest, on a PCI function that stock QEMU shows it, through
// the guest kernel's VFIO, with another guest's virtio-net driver as its peer.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { FUNCTION_ADDRESS } from '../../tools/vm/qemu.ts';
import { makeFrames, swapped } from '../support/frames.ts';
import { dpdkRoundTrip, giveToDpdk, giveToKernel } from './dpdk-peer.test-help.ts';
import { guestHoldings } from './holdings.test-help.ts';
import {
  allCameBack,
  bind,
  describeRig,
  echo,
  endedPmd,
  killGuestPmd,
  REMOVED,
  startGuestPmd,
} from './rig.test-help.ts';
import { comesBack, startSteady, stopSteady } from './steady.test-help.ts';

const FRAMES = 2000;
const SYSFS = `/sys/bus/pci/devices/${FUNCTION_ADDRESS}`;

describeRig('the PMD in a guest, through VFIO', (rig) => {
  let device: Child;
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    device = await rig().startDevice();
    peer = await rig().startPeer();
    guest = await rig().startPmdGuest();
  });

  it('finds the function as the ABI describes it', async () => {
    const listing = await guest.run(`lspci -vv -s ${FUNCTION_ADDRESS}`);
    for (const part of [
      /Ethernet controller: Red Hat, Inc\. Device 1014 \(rev 01\)/,
      /Subsystem: Red Hat, Inc\. Device 0015/,
      /Region 0: Memory at \w+ \(32-bit, non-prefetchable\) \[size=16K\]/,
      /Region 1: Memory at \w+ \(32-bit, non-prefetchable\) \[size=16K\]/,
      /Region 2: Memory at \w+ \(64-bit, prefetchable\) \[size=512M\]/,
      /MSI-X: Enable[+-] Count=4 Masked-/,
      /Vector table: BAR=1 offset=00000000/,
      /PBA: BAR=1 offset=00002000/,
      /VirtIO: CommonCfg\s+BAR=0 offset=00000000 size=00001000/,
      /VirtIO: ISR\s+BAR=0 offset=00001000 size=00001000/,
      /VirtIO: DeviceCfg\s+BAR=0 offset=00002000 size=00001000/,
      /VirtIO: Notify\s+BAR=0 offset=00003000 size=00001000 multiplier=00000004/,
    ]) {
      expect(listing).toMatch(part);
    }
  });

  it('finds it in an IOMMU group of its own', async () => {
    expect((await guest.run(`ls ${SYSFS}/iommu_group/devices`)).trim()).toBe(FUNCTION_ADDRESS);
  });

  it('shows what dpdk-devbind.py shows, before and after binding the function to vfio-pci', async () => {
    await expectSameStatus(guest);
    await bind(guest, 'vfio-pci');
    expect(await guest.run(`readlink ${SYSFS}/driver`)).toMatch(/\/vfio-pci\n$/);
    await expectSameStatus(guest);
  });

  it('answers a wrong devbind command in one line that names the error', async () => {
    for (const [args, code, line] of [
      ['--bind=vfio-pci 0000:00:1e.7', 1, /^vhost-pci-devbind: Error: Unknown device: 0000:00:1e\.7\./],
      [`--bind=nosuch ${FUNCTION_ADDRESS}`, 1, /^vhost-pci-devbind: Error: Driver 'nosuch' is not loaded/],
      ['--bind=vfio-pci', 1, /^vhost-pci-devbind: No devices specified/],
      ['--fish', 2, /^vhost-pci-devbind: unknown option '--fish'/],
    ] as const) {
      const { code: was, output } = await guest.try(`vhost-pci-devbind ${args}`);
      expect(output).toMatch(line);
      expect(output.trim().split('\n')).toHaveLength(1);
      expect(was, args).toBe(code);
    }
  });

  it('exchanges frames of all sizes with the other guest, contents unchanged', async () => {
    await startGuestPmd(guest, 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('continues after the other guest rebooted, and keeps nothing of it', async () => {
    const before = await guestHoldings(guest);
    await peer.reboot();
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect(await guestHoldings(guest)).toEqual(before);
  });

  it('exchanges frames with DPDK in the other guest, contents unchanged', async () => {
    const frames = makeFrames(100, 60, 1514);
    await giveToDpdk(peer);
    for (let start = 0; start < 2; start++) {
      expect(await dpdkRoundTrip(peer, frames)).toEqual(frames.map(swapped));
    }
    await giveToKernel(peer);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('continues with a new PMD after the first was killed while the other guest sends', async () => {
    await startSteady(peer);
    await comesBack(peer);
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'macswap');
    await comesBack(peer);
    expect(await stopSteady(peer)).toBe(0);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('exits with one line about it when the device model exits', async () => {
    await device.stop();
    expect(await endedPmd(guest)).toMatch(REMOVED);
  });
});

/** vhost-pci-devbind replaces dpdk-devbind.py, so it must print the same on the same machine. */
async function expectSameStatus(guest: Machine): Promise<void> {
  const theirs = await guest.run('dpdk-devbind.py --status');
  expect(theirs).toContain(FUNCTION_ADDRESS);
  expect(await guest.run('vhost-pci-devbind --status')).toBe(theirs);
}
