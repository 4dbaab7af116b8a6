// SPDX-License-Identifier: BSD-3-Clause
// An eventfd shared by front-end and driver would make the device model wake itself: whichever side sends it
// second is refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { createDevice, type Device } from '../device.ts';
import { u32s, u64s } from '../test-help/channel.test-help.ts';
import { TestDriver } from '../test-help/driver.test-help.ts';
import { TestPeer } from '../test-help/peer.test-help.ts';
import { EINVAL } from '../vfio-user/vfio-error.ts';
import { EventfdRoles } from './eventfd-roles.ts';

describe('roles of eventfds', () => {
  it('belong to the eventfd, not to the descriptor', () => {
    const roles = new EventfdRoles();
    const [fd, other] = [native.eventfd(), native.eventfd()];
    const again = native.dup(fd);
    roles.note(fd, 'read');
    expect([roles.allows(again, 'written'), roles.allows(again, 'read')]).toEqual([false, true]);
    expect(roles.allows(other, 'written')).toBe(true);
    roles.forget(fd);
    expect(roles.allows(again, 'written')).toBe(true);
    closeAll([fd, again, other]);
  });
});

describe('a front-end and a driver that share an eventfd', () => {
  let before: number;
  let folder: string;
  let device: Device;
  let peer: TestPeer;
  let driver: TestDriver;

  beforeEach(async () => {
    before = openFds();
    folder = mkdtempSync(joinPath(tmpdir(), 'eventfd-roles-'));
    const [vhostUser, vfioUser] = [joinPath(folder, 'u'), joinPath(folder, 'v')];
    device = createDevice({ vhostUser, vfioUser });
    peer = new TestPeer(native.unixConnect(vhostUser));
    await peer.start();
    driver = new TestDriver(native.unixConnect(vfioUser));
    await driver.start();
  });
  afterEach(async () => {
    peer.close();
    driver.close();
    device.close();
    await until('no descriptor is left', () => openFds() <= before);
    rmSync(folder, { recursive: true });
  });

  const setVector = (fd: number) => driver.errorOf(VFIO_USER.DEVICE_SET_IRQS, u32s(20, 0x24, 2, 2, 1), [fd]);
  const setKick = (fd: number) => peer.ack(VHOST_USER.SET_VRING_KICK, u64s(1n), [fd]);
  const setCall = (fd: number) => peer.ack(VHOST_USER.SET_VRING_CALL, u64s(1n), [fd]);
  const doorbells = async () =>
    (await driver.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(1024, 0, 0, 0))).fds;

  it('regression: are refused a kick that is a vector', async () => {
    expect(await setKick(driver.interrupts[2] as number)).not.toBe(0n);
    const free = native.eventfd();
    expect(await setKick(free)).toBe(0n);
    native.close(free);
  });

  it('regression: are refused a vector that is a kick, until the kick is replaced', async () => {
    const shared = peer.kicks[1] as number;
    expect(await setVector(shared)).toBe(EINVAL);
    expect(await setKick(peer.kicks[0] as number)).toBe(0n);
    expect(await setVector(shared)).toBe(0);
    expect(await setKick(shared)).not.toBe(0n);
  });

  it('regression: are refused a call, and a vector, that is a doorbell', async () => {
    const fds = await doorbells();
    expect(await setCall(fds[0] as number)).not.toBe(0n);
    expect(await setVector(fds[1] as number)).toBe(EINVAL);
    closeAll(fds);
  });

  it('are not refused an eventfd for a role from before they reconnected', async () => {
    const shared = native.eventfd();
    expect(await setCall(shared)).toBe(0n);
    peer.close();
    peer = new TestPeer(native.unixConnect(joinPath(folder, 'u')));
    await peer.start();
    expect(await setKick(shared)).toBe(0n);
    native.close(shared);
  });
});
