// SPDX-License-Identifier: BSD-3-Clause
// The maximum number of queue pairs: every queue of each signals in both directions between the real device
// model, our client and a front-end. One message carries far fewer descriptors than there are queues.
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER } from '../src/abi/vhost-user.ts';
import { VIRTIO_PCI_COMMON_CFG } from '../src/abi/virtio-pci.ts';
import type { PciDevice } from '../src/bus/pci-device.ts';
import { openVfioUser } from '../src/bus/vfio-user.ts';
import { native } from '../src/native.ts';
import { COMMON_OFFSET, NOTIFY_MULTIPLIER, NOTIFY_OFFSET } from '../tools/device/function/bars.ts';
import { u64s } from '../tools/device/test-help/channel.test-help.ts';
import { TestPeer } from '../tools/device/test-help/peer.test-help.ts';
import { startDeviceModel, type Tool } from './support/tool.ts';
import { until } from './support/wait.ts';

const MINUTE = 60_000;
const PAIRS = 128;
const QUEUES = Array.from({ length: 2 * PAIRS }, (_, queue) => queue);
const crossed = (queue: number) => queue ^ 1;

describe(`${PAIRS} queue pairs`, { timeout: 3 * MINUTE }, () => {
  let folder: string;
  let device: Tool;
  let peer: TestPeer;
  let driver: PciDevice;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vhost-pci-pairs-'));
    const [vhostUser, vfioUser] = [join(folder, 'vhost-user'), join(folder, 'vfio-user')];
    device = await startDeviceModel({ vhostUser, vfioUser, queues: PAIRS });
    peer = new TestPeer(native.unixConnect(vhostUser));
    await peer.negotiate();
    driver = openVfioUser(vfioUser, MINUTE);
  });
  afterEach(async () => {
    driver.close();
    peer.close();
    await device.kill();
    rmSync(folder, { recursive: true });
  });

  it('regression: all queues call the peer', async () => {
    for (const ring of QUEUES) {
      const call = native.eventfd();
      peer.calls[ring] = call;
      expect(await peer.ack(VHOST_USER.SET_VRING_CALL, u64s(BigInt(ring)), [call])).toBe(0n);
    }
    for (const queue of QUEUES) {
      const doorbell = driver.doorbell(0, NOTIFY_OFFSET + queue * NOTIFY_MULTIPLIER, queue);
      expect(native.eventfdSignal(doorbell)).toBe(true);
      const call = peer.calls[crossed(queue)] as number;
      await until(`queue ${queue} has called`, () => native.eventfdDrain(call) > 0n, MINUTE);
    }
    // Each queue calls its own ring of the peer, and no other.
    for (const call of peer.calls) expect(native.eventfdDrain(call)).toBe(0n);
  });

  it('all queues interrupt the driver', async () => {
    const common = driver.bar(0);
    const { queue_select, queue_msix_vector } = VIRTIO_PCI_COMMON_CFG.fields;
    const interrupts = QUEUES.map((queue) => driver.interruptFd(2 + queue));
    for (const queue of QUEUES) {
      common.write16(COMMON_OFFSET + queue_select.offset, queue);
      common.write16(COMMON_OFFSET + queue_msix_vector.offset, 2 + queue);
    }
    driver.enableInterrupts();
    for (const ring of QUEUES) {
      const kick = native.eventfd();
      peer.kicks[ring] = kick;
      expect(await peer.ack(VHOST_USER.SET_VRING_KICK, u64s(BigInt(ring)), [kick])).toBe(0n);
    }
    // One interrupt arrived with each new kick descriptor.
    for (const fd of interrupts) await until('it came', () => native.eventfdDrain(fd) > 0n, MINUTE);
    for (const ring of QUEUES) {
      writeSync(peer.kicks[ring] as number, u64s(1n));
      const fd = interrupts[crossed(ring)] as number;
      await until(`ring ${ring} has interrupted`, () => native.eventfdDrain(fd) > 0n, MINUTE);
    }
    for (const fd of interrupts) expect(native.eventfdDrain(fd)).toBe(0n);
  });
});
