// SPDX-License-Identifier: BSD-3-Clause
// The PMD on the host with the legacy virtio-net driver of a guest kernel as its peer: QEMU shows it a card of before virtio 1.0, whose
// network header has 10 bytes without mergeable buffers.
import { beforeAll, expect, it } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { allCameBack, command, describeRig, echo, START_MS, startHostPmd } from './rig.test-help.ts';

const FRAMES = 2000;

describeRig('the PMD on the host and the legacy driver of a Linux guest', (rig) => {
  let pmd: Child;
  let peer: Machine;

  beforeAll(async () => {
    await rig().startDevice();
    pmd = await startHostPmd(rig(), 'macswap');
    peer = await rig().startPeer('disable-modern=on,disable-legacy=off,mrg_rxbuf=off');
    await pmd.waitFor(/link state change event/, START_MS);
  });

  it('exchange frames of all sizes, contents unchanged', async () => {
    expect(await command(pmd, 'show port info 0')).not.toMatch(/Peer features: .*VERSION_1/);
    expect(await echo(peer, FRAMES)).toBe(allCameBack(FRAMES));
    expect(await command(pmd, 'show port xstats 0')).toMatch(/rx_q0_errors: 0\b/);
  });
});
