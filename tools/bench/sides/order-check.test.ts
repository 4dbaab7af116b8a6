// SPDX-License-Identifier: BSD-3-Clause
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Child } from '../../run/child.ts';
import { Watch } from '../../run/watch.ts';
import type { Settings } from '../settings.ts';
import { checkOrder } from './order-check.ts';

it('regression: a part of the path that is killed during the check is named', async () => {
  const watch = new Watch();
  const command = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];
  const victim = watch.add(new Child({ name: 'the switch', command, maxRunMs: 120_000 }));
  const path = {
    ...{ watch, pid: undefined, pause: () => {}, resume: () => {}, stop: () => victim.stop() },
    // A socket at which nobody listens: the peer waits.
    sockets: [join(tmpdir(), 'vhost-pci-order-check-none')],
    start: async () => victim.signal('SIGKILL'),
  };
  const settings = { rounds: 1, seconds: 1, peerCpu: 0, hugepages: false } as Settings;
  await expect(checkOrder('guest, switch, guest', path, settings, 64)).rejects.toMatchObject({
    code: 'VPCI_CHILD',
    message: expect.stringContaining('the switch ended (SIGKILL)'),
  });
});
