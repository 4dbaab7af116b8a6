// SPDX-License-Identifier: BSD-3-Clause
// Kicks and doorbells: each side's notification reaches the crossed ring of the other.
import { describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import { stageForEachTest } from '../test-help/stage.test-help.ts';

const stage = stageForEachTest();

describe('crossed notification', () => {
  it("raises the RX queue's vector at the peer's TX kick, and vice versa", async () => {
    const { peer, driver } = await stage.linked();
    for (const [ring, vector] of [
      [1, 2],
      [0, 3],
    ] as const) {
      native.eventfdDrain(driver.interrupts[vector] as number);
      native.eventfdSignal(peer.kicks[ring] as number);
      await until('it was raised', () => native.eventfdDrain(driver.interrupts[vector] as number) > 0n);
    }
  });

  it('forwards a notification to the call descriptor of the crossed ring', async () => {
    const { peer, driver } = await stage.linked();
    await driver.notify(1);
    expect(native.eventfdDrain(peer.calls[0] as number)).toBe(1n);
    await driver.notify(0);
    expect(native.eventfdDrain(peer.calls[1] as number)).toBe(1n);
  });

  it('regression: a call descriptor that replaces another is signalled once', async () => {
    const { peer, driver } = await stage.linked();
    for (let i = 0; i < 300; i++) {
      // The call goes to the old descriptor, which the front-end no longer watches, and it does not wait for
      // the reply.
      const before = peer.calls[0] as number;
      const next = native.eventfd();
      driver.postNotify(1);
      peer.post(VHOST_USER.SET_VRING_CALL, u64s(0n), [next]);
      peer.calls[0] = next;
      native.close(before);
      expect((await driver.reply()).error).toBe(0);
      await until('the new one was signalled', () => native.eventfdDrain(next) > 0n);
    }
    expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(0, 256))).toBe(0n);
    expect(native.eventfdDrain(peer.calls[0] as number)).toBe(0n);
  });

  it('sends one descriptor to a client that does not say how many it accepts', async () => {
    stage.make();
    const driver = stage.newDriver();
    await driver.version('{"capabilities":{}}\0');
    const { payload, fds } = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(4096, 0, 0, 0));
    expect([payload.getUint32(12, true), fds.length]).toEqual([1, 1]);
    closeAll(fds);
  });

  it('gives an ioeventfd for each queue', async () => {
    const { peer, driver } = await stage.linked();
    const request = new Uint8Array([...u32s(16, 0, 0, 0)]);
    const small = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, request);
    expect(small.fds).toEqual([]);
    const argsz = small.payload.getUint32(0, true);
    const { payload, fds } = await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(argsz, 0, 0, 0));
    expect(payload.getUint32(12, true)).toBe(3);
    expect([0, 1, 2].map((i) => payload.getBigUint64(16 + 40 * i, true))).toEqual([
      0x3000n,
      0x3004n,
      0x3008n,
    ]);
    native.eventfdSignal(fds[1] as number);
    await until('the peer was called', () => native.eventfdDrain(peer.calls[0] as number) > 0n);
    closeAll(fds);
  });
});
