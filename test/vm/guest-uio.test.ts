// SPDX-License-Identifier: BSD-3-Clause
// The PMD in a guest without an IOMMU, through uio_pci_generic: poll mode only.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { allCameBack, bind, describeRig, echo, endedPmd, REMOVED, startGuestPmd } from './rig.test-help.ts';

const FRAMES = 2000;

describeRig('the PMD in a guest, through UIO', (rig) => {
  let device: Child;
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    device = await rig().startDevice();
    peer = await rig().startPeer();
    guest = await rig().startPmdGuest({ iommu: false });
    await guest.run('echo 16 >/proc/sys/vm/nr_hugepages');
  });

  it('exchanges frames of all sizes with the other guest, contents unchanged', async () => {
    await bind(guest, 'uio_pci_generic');
    await startGuestPmd(guest, 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('says in plain words what it lacks', async () => {
    expect(await guest.run('cat /tmp/pmd.log')).toMatch(/driven through UIO: poll mode only/);
  });

  it('ends with one line about it when the device model ends', async () => {
    await device.stop();
    expect(await endedPmd(guest)).toMatch(REMOVED);
  });
});
