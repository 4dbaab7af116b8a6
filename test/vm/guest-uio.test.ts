// SPDX-License-Identifier: BSD-3-Clause
// The PMD in a guest without an IOMMU, through uio_pci_generic: poll mode only.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { FUNCTION_ADDRESS } from '../../tools/vm/qemu.ts';
import { allAnswered, answers, ping, repliesCome, startPinging, stopPinging } from './pings.test-help.ts';
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

const FRAMES = 2000;
/**
 * 2 GiB below the hole of q35 and 5 above, so that QEMU shows the function a DMA range of more than 4 GiB.
 * Without an IOMMU, all of the guest's memory is shown; it costs the host what the guest touches.
 */
const MEMORY_MIB = 7 << 10;

describeRig('the PMD in a guest, through UIO', (rig) => {
  let device: Child;
  let peer: Machine;
  let guest: Machine;

  beforeAll(async () => {
    device = await rig().startDevice();
    peer = await rig().startPeer();
    guest = await rig().startPmdGuest({ iommu: false, memoryMib: MEMORY_MIB });
    await guest.run('echo 16 >/proc/sys/vm/nr_hugepages');
  });

  it('exchanges frames of all sizes with the other guest, contents unchanged', async () => {
    await bind(guest, 'uio_pci_generic');
    await startGuestPmd(guest, 'macswap');
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
  });

  it('has a DMA range of more than 4 GiB', async () => {
    const high = await guest.run(
      "sed -n 's/^\\([0-9a-f]*\\)-\\([0-9a-f]*\\) : System RAM$/\\1 \\2/p' /proc/iomem",
    );
    const sizes = high
      .trim()
      .split('\n')
      .map((range) => range.split(' ').map((bound) => Number.parseInt(bound, 16)))
      .map(([from = 0, to = 0]) => to + 1 - from);
    expect(Math.max(...sizes)).toBeGreaterThan(2 ** 32);
  });

  it('says in plain words what it lacks', async () => {
    expect(await guest.run('cat /tmp/pmd.log')).toMatch(/driven through UIO: poll mode only/);
  });

  it('answers 1000 pings of the other guest by icmpecho, none lost', async () => {
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'icmpecho');
    await peer.run('ip address add 10.0.0.2/24 dev eth0');
    await answers(peer, '10.0.0.1');
    const said = await ping(peer, '10.0.0.1', 1000, 0.01);
    console.log(said.trim());
    expect(said).toContain(allAnswered(1000));
  });

  it('answers a ping before it is killed and after it was restarted', async () => {
    await startPinging(peer, '10.0.0.1');
    await repliesCome(peer, 20);
    await killGuestPmd(guest);
    await startGuestPmd(guest, 'icmpecho');
    await repliesCome(peer, 50);
    console.log(await stopPinging(peer));
  });

  it('refuses to sleep in one line: UIO has no interrupts', async () => {
    await killGuestPmd(guest);
    const { code, output } = await guest.try(
      `vhost-pci-testpmd -l 0,1 --no-huge -a ${FUNCTION_ADDRESS} -- --rx-interrupt=on --auto-start </dev/null`,
    );
    expect(output.trim().split('\n').at(-1)).toMatch(
      /^vhost-pci-testpmd: --rx-interrupt=on: port 0 .* has no interrupts: bind it to vfio-pci, or poll$/,
    );
    expect(code).toBe(1);
    await startGuestPmd(guest, 'macswap');
  });

  it('exits with one line about it when the device model exits', async () => {
    await device.stop();
    expect(await endedPmd(guest)).toMatch(REMOVED);
  });
});
