// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { native } from '../../../src/native.ts';
import { ovsMissing } from '../../../test/support/dpdk.ts';
import { twoCpus, Workspace } from '../../run/workspace.ts';
import { PLAIN_OVS } from '../ovs-tuning.ts';
import { OvsBackEnd } from './ovs.ts';
import { Side } from './side.ts';

it.skipIf(ovsMissing())(
  'regression: the switch has counted its cycles before its first pause, which would count as work',
  async () => {
    const [backEndCpu, peerCpu] = twoCpus(native.getAffinity());
    const settings = {
      ...({ peer: 'dpdk', rounds: 1, seconds: 0.2, queueSize: 256, packed: false, copying: false } as const),
      ...{ hugepages: true, backEndCpu, peerCpu },
    };
    const workspace = new Workspace();
    const backEnd = new OvsBackEnd(settings, workspace, {
      ...{ flows: 'fixed', tuning: PLAIN_OVS, ports: 2, oneWay: false },
      guests: { forwardMode: 'io', burst: 32, size: 64, mergeable: true, txFirst: 32, receivers: 2 },
    });
    const side = new Side(settings, { name: 'both-64', direction: 'io', size: 64 }, backEnd, workspace);
    try {
      await side.start();
      const cycles = backEnd.cyclesPerPacket();
      expect(cycles).toBeGreaterThan(0);
      side.pause();
      await side.stop();
      expect(backEnd.cyclesPerPacket()).toBe(cycles);
    } finally {
      await side.stop();
    }
  },
  120_000,
);
