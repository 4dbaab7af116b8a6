// SPDX-License-Identifier: BSD-3-Clause
// Each "no link" has one cause as text, in the log and at the driver.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { openVfioUser } from '../../../src/bus/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { parseMessage } from '../../../src/vhost-pci/control-decode.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { createDevice, type Device, type DeviceOptions } from '../device.ts';
import { VERSION_1 } from '../function/features.ts';
import { join, u32s, u64s } from '../test-help/channel.test-help.ts';
import { DRIVER_NET, LINK_REASON, REMAP, SESSION, TestDriver } from '../test-help/driver.test-help.ts';
import { GPA, MEMORY_BYTES, NET_AND_PROTOCOL, TestPeer, USER } from '../test-help/peer.test-help.ts';
import { kind } from '../test-help/stage.test-help.ts';

const NOT_SHARED = "VM2's memory is not shared: give it memory-backend-memfd,share=on";

let folder: string;
let device: Device;
let lines: string[];
let reasons: string[];
let driver: TestDriver;
let fdsBefore: number;
let open: { close(): void }[];

beforeEach(() => {
  fdsBefore = openFds();
  folder = mkdtempSync(joinPath(tmpdir(), 'vhost-pci-reason-'));
  lines = [];
  reasons = [];
  open = [];
});

afterEach(async () => {
  for (const end of open) end.close();
  device.close();
  await until('no descriptor is left', () => openFds() <= fdsBefore);
  rmSync(folder, { recursive: true });
});

const keep = <T extends { close(): void }>(end: T): T => {
  open.push(end);
  return end;
};
const newPeer = () => keep(new TestPeer(native.unixConnect(joinPath(folder, 'a'))));

/** A device with a driver that receives reasons. */
async function make(
  options: Partial<DeviceOptions> = {},
  features = DRIVER_NET | SESSION | REMAP | LINK_REASON,
) {
  const log = (line: string) => lines.push(line);
  device = createDevice({
    vhostUser: joinPath(folder, 'a'),
    vfioUser: joinPath(folder, 'b'),
    log,
    ...options,
  });
  driver = keep(new TestDriver(native.unixConnect(joinPath(folder, 'b'))));
  await driver.version();
  await driver.restart(features);
}

/** Waits until the driver has been sent the reason, and checks that the log says the same. */
async function reason(text: string): Promise<void> {
  await until(`the driver is sent: ${text}`, () => {
    for (const bytes of driver.collect()) {
      const message = parseMessage(bytes, { queuePairs: 1, session: true });
      if (message.type === 'link-reason') reasons.push(message.text);
    }
    return reasons.at(-1)?.includes(text) ?? false;
  });
  expect(lines.filter((line) => line.startsWith('no link: ')).at(-1)).toBe(`no link: ${reasons.at(-1)}`);
  expect(await driver.linkUp()).toBe(false);
}

describe('no link', () => {
  it('because no peer is connected, or it does not negotiate, or it does not run', async () => {
    await make();
    await reason('no peer is connected');
    const peer = newPeer();
    await reason('its driver has not negotiated');
    await peer.negotiate();
    await peer.sendMemory();
    await reason('ring 0 is not started');
    await peer.startRing(0);
    await peer.startRing(1);
    await reason('ring 0 of the peer is not enabled');
    await peer.enable(0);
    await peer.enable(1);
    await driver.untilLink(true);
    expect(reasons.length).toBe(4);
  });

  it('because the peer has left or stopped its rings: reported at once', async () => {
    await make();
    let peer = newPeer();
    await peer.start();
    await driver.untilLink(true);
    peer.channel.close();
    await reason('no peer is connected; the last one left: it disconnected');
    peer = newPeer();
    await peer.start();
    await driver.untilLink(true);
    expect(reasons.length).toBe(1);
  });

  it('is not reported while it is only passing', async () => {
    await make();
    await newPeer().start();
    await driver.untilLink(true);
    expect(lines.filter((line) => line.startsWith('no link'))).toEqual([]);
    expect(driver.collect().map(kind)).not.toContain('LINK_REASON');
  });

  it('regression: because the peer has a third memory file, though its front-end was refused and goes on', async () => {
    await make();
    const peer = newPeer();
    await peer.negotiate();
    const files = [0, 1, 2].map(() => native.memfdCreate('file', MEMORY_BYTES, false));
    const step = BigInt(MEMORY_BYTES);
    const regions = files.map((_, i) => peer.region(GPA + step * BigInt(i), step, USER + step * BigInt(i)));
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, join(u32s(3, 0), ...regions), files)).toBe(1n);
    closeAll(files);
    await reason(
      'it has 3 memory files, but the device has 2 memory BARs: give the peer a single memory backend',
    );
  });

  it('regression: because the memory of the peer is not shared, in each way that front-ends leave it out', async () => {
    await make();
    const peer = newPeer();
    await peer.negotiate();
    expect(await peer.ack(VHOST_USER.SET_VRING_NUM, u32s(0, 256))).toBe(0n);
    expect(await peer.ack(VHOST_USER.SET_VRING_ADDR, peer.addresses(0))).toBe(1n);
    await reason(`ring 0 lies outside the memory table, which is empty: ${NOT_SHARED}`);
    // A peer that starts over and succeeds is not blamed for earlier errors.
    await peer.negotiate();
    await peer.sendMemory();
    await reason('ring 0 is not started');
    expect(await peer.ack(VHOST_USER.SET_VRING_ADDR, peer.addresses(0, USER + (1n << 40n)))).toBe(1n);
    await reason(`ring 0 lies outside the memory table, which has 1 region: ${NOT_SHARED}`);
    expect(await peer.ack(VHOST_USER.SET_MEM_TABLE, u32s(0, 0))).toBe(1n);
    await reason(`a memory table of 0 regions: ${NOT_SHARED}`);
  });

  it('because a refused message ended the connection, also while the front-end keeps reconnecting', async () => {
    await make();
    for (let i = 0; i < 5; i++) {
      const peer = newPeer();
      await peer.negotiate();
      peer.post(VHOST_USER.SET_MEM_TABLE, u32s(0, 0));
      await until('it is closed', () => peer.channel.closedBecause !== null);
    }
    await reason(`the last peer left: SET_MEM_TABLE: a memory table of 0 regions: ${NOT_SHARED}`);
    expect(new Set(reasons).size).toBe(1);
  });

  it("regression: is not blamed on a driver that connected to the peer's socket", async () => {
    await make();
    await reason('no peer is connected');
    const vhostUser = joinPath(folder, 'a');
    const gone = () =>
      lines.filter((line) => line.startsWith('peer disconnected: it speaks vfio-user')).length;
    expect(() => openVfioUser(vhostUser, 50)).toThrow(/no vfio-user server answers there/);
    await until('it is closed', () => gone() === 1);
    await reason('no peer is connected');
    expect(reasons.join()).not.toContain('vfio-user');
  });

  it('because the peer asks for more queue pairs than there are', async () => {
    await make({ queuePairs: 1 });
    const peer = newPeer();
    await peer.negotiate();
    expect(await peer.enable(15)).toBe(1n);
    await reason('the function has 1: start vhost-pci-device with --queues 8 or more');
  });

  it('because the driver lacks features that the peer uses', async () => {
    await make({}, VERSION_1 | SESSION | REMAP | LINK_REASON);
    const peer = newPeer();
    peer.post(VHOST_USER.SET_FEATURES, u64s(NET_AND_PROTOCOL));
    await until('it is closed', () => peer.channel.closedBecause !== null);
    await reason('SET_FEATURES: it sets features 0x8000 that were not offered');
  });

  it('regression: because the peer has a different memory file, with advice that keeps the machine running', async () => {
    await make();
    const peer = newPeer();
    await peer.start();
    await driver.untilLink(true);
    // VM1's machine maps the BAR only once.
    driver.channel.close();
    driver = keep(new TestDriver(native.unixConnect(joinPath(folder, 'b'))));
    await driver.version();
    closeAll((await driver.regionInfo(2)).fds);
    await driver.restart(DRIVER_NET | SESSION | LINK_REASON);
    await driver.untilLink(true);
    peer.channel.close();
    await reason('no peer is connected');
    await newPeer().start();
    await reason('start VM2 with memory-backend-file on tmpfs at a fixed path');
    expect(lines.join()).not.toContain('plug');
  });

  it('is not sent to a driver without LINK_REASON, but is in the log all the same', async () => {
    await make({}, DRIVER_NET | SESSION | REMAP);
    await until('the log says so', () => lines.includes('no link: no peer is connected'));
    expect(driver.collect()).toEqual([]);
  });

  it('is also sent to a driver that comes later', async () => {
    await make();
    await reason('no peer is connected');
    driver.channel.close();
    const next = keep(new TestDriver(native.unixConnect(joinPath(folder, 'b'))));
    driver = next;
    reasons = [];
    await next.version();
    await next.restart(DRIVER_NET | SESSION | REMAP | LINK_REASON);
    await reason('no peer is connected');
  });
});
