// SPDX-License-Identifier: BSD-3-Clause
// The shape that the project is for: the PMD in a guest, on a PCI function that stock QEMU shows it, through the guest kernel's
// VFIO; and another guest's virtio-net driver as its peer.
import { beforeAll, expect, it } from 'vitest';
import type { Machine } from '../../tools/vm/machine.ts';
import { FUNCTION_ADDRESS } from '../../tools/vm/qemu.ts';
import { allCameBack, bind, describeRig, echo, killGuestPmd, startGuestPmd } from './rig.test-help.ts';

const FRAMES = 2000;
const SYSFS = `/sys/bus/pci/devices/${FUNCTION_ADDRESS}`;

describeRig('the PMD in a guest, through VFIO', (rig) => {
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    await rig().startDevice();
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

  it('finds it alone in an IOMMU group', async () => {
    expect((await guest.run(`ls ${SYSFS}/iommu_group/devices`)).trim()).toBe(FUNCTION_ADDRESS);
  });

  it('gives it to vfio-pci, as dpdk-devbind.py sees too', async () => {
    await bind(guest, 'vfio-pci');
    expect(await guest.run(`readlink ${SYSFS}/driver`)).toMatch(/\/vfio-pci\n$/);
    const seen = await guest.run('dpdk-devbind.py --status-dev net');
    expect(seen).toMatch(/using DPDK-compatible driver\n=+\n0000:00:05\.0 .* drv=vfio-pci/);
  });

  it('exchanges frames of all sizes with the other guest, contents unchanged', async () => {
    await startGuestPmd(guest, 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('goes on after the other guest rebooted', async () => {
    await peer.reboot();
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('goes on with a new PMD after the first was killed', async () => {
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });
});
