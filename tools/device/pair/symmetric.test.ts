// SPDX-License-Identifier: BSD-3-Clause
// The two functions of RFC 2.1 as vfio-user clients see them, hostile ones too.
import { fstatSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { listCapabilities, readIdentity } from '../../../src/pci/config-space.ts';
import { readRegions } from '../../../src/vhost-pci/regions.ts';
import { memoryRegisters } from '../../../test/support/config-space.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import { join, sendRaw, u32s, vfioUserMessage } from '../test-help/channel.test-help.ts';
import type { TestDriver } from '../test-help/driver.test-help.ts';
import { pairStageForEachTest, setWord, untilWord, word } from '../test-help/pair.test-help.ts';
import { EINVAL } from '../vfio-user/vfio-error.ts';
import { createSymmetricDevice } from './symmetric.ts';

const CONFIG = 7;
const HALF = 1 << 19;
const STATE = 8;
const RUN = 3;
const stage = pairStageForEachTest();

const configOf = async (driver: TestDriver) =>
  memoryRegisters(new DataView((await driver.read(CONFIG, 0, 256)).slice().buffer));
const raised = (driver: TestDriver, vector: number) =>
  native.eventfdDrain(driver.interrupts[vector] as number) > 0n;
/** Discards what connecting has raised. */
const quiet = (driver: TestDriver) => {
  for (const fd of driver.interrupts) native.eventfdDrain(fd);
};

describe('the function of RFC 2.1', () => {
  it('has these ids, and no virtio structures', async () => {
    stage.make(createSymmetricDevice);
    const config = await configOf(await stage.driver(0));
    expect(readIdentity(config)).toEqual({
      ...{ vendor: 0x1af4, device: 0x1014, subsystemVendor: 0x1af4, subsystem: 21 },
      ...{ classCode: 0x020000, revision: 2 },
    });
    expect(listCapabilities(config).map(({ id, offset }) => [id, config.read8(offset + 3)])).toEqual([
      [0x11, 0],
      [9, 0x76],
      [9, 0x76],
    ]);
  });

  it('shows both sides in one BAR: its own first for one, second for the other', async () => {
    stage.make(createSymmetricDevice);
    for (const [side, own] of [
      [0, 0],
      [1, HALF],
    ] as const) {
      const regions = readRegions(await configOf(await stage.driver(side)));
      expect(regions).toEqual([
        { kind: 'own side', bar: 2, address: own, size: HALF, writable: true },
        { kind: "peer's side", bar: 2, address: HALF - own, size: HALF, writable: true },
      ]);
    }
  });

  it('shares the memory of its size', async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    const [left, right] = [await stage.map(a, 2), await stage.map(b, 2)];
    expect([left.flags & 7, left.bytes, right.bytes]).toEqual([7, 1 << 20, 1 << 20]);
    left.view.setUint32(HALF, 77, true);
    expect(right.view.getUint32(HALF, true)).toBe(77);
  });

  it('unidirectional: shows a BAR for each side, and hands the peer out for reading only', async () => {
    stage.make(createSymmetricDevice, { unidirectional: true });
    const [a, b] = await stage.drivers();
    expect(readRegions(await configOf(b))).toEqual([
      { kind: 'own side', bar: 2, address: 0, size: HALF, writable: true },
      { kind: "peer's side", bar: 4, address: 0, size: HALF, writable: false },
    ]);
    const [own, seen] = [await stage.map(a, 2), await stage.map(b, 4, false)];
    expect([own.flags & 7, seen.flags & 7]).toEqual([7, 5]);
    own.view.setUint32(0, 78, true);
    expect(seen.view.getUint32(0, true)).toBe(78);
    expect(() => native.mapFd(seen.fd, 0, HALF, true)).toThrow(expect.objectContaining({ code: 'EACCES' }));
    expect(fstatSync(seen.fd).mode & 0o777).toBe(0);
    expect(await setWord(b, 0, 1, 4)).toBe(EINVAL);
    expect([await word(b, 0, 4), await setWord(b, 0, 1, 2)]).toEqual([78, 0]);
  });

  it('has registers, which ignore what they do not take', async () => {
    stage.make(createSymmetricDevice, { queuePairs: 3 });
    const a = await stage.driver(0);
    expect([await word(a, 0), await word(a, 4), await word(a, 8)]).toEqual([1, 4, 0]);
    await stage.driver(1);
    expect(await word(a, 8)).toBe(1);
    expect(await a.read(0, 4, 8)).toEqual(Uint8Array.of(4, 0, 0, 0, 1, 0, 0, 0));
    for (const offset of [0, 4, 8, 12, 0x102, 0x110, 0xffc]) expect(await setWord(a, offset, 99)).toBe(0);
    expect([await word(a, 0), await word(a, 4), await word(a, 0x100)]).toEqual([1, 4, 0]);
    expect(await a.write(0, 0, new Uint8Array(16))).toBe(EINVAL);
    expect(await a.write(0, 4094, new Uint8Array(4))).toBe(EINVAL);
    expect(await a.write(2, 1 << 20, new Uint8Array(1))).toBe(EINVAL);
    expect(await a.write(3, 0, new Uint8Array(1))).toBe(EINVAL);
  });

  it("raises the peer's vector by a register, or by its eventfd", async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    await b.setVectors(0, 2);
    quiet(b);
    await setWord(a, 0x104, 0);
    expect([raised(b, 0), raised(b, 1)]).toEqual([false, true]);
    await a.write(0, 0x100, new Uint8Array(2));
    expect([raised(b, 0), raised(b, 1)]).toEqual([true, false]);
    const { payload, fds } = await a.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(1024, 0, 0, 0));
    expect([payload.getUint32(12, true), fds.length]).toEqual([2, 2]);
    expect([0, 1].map((i) => payload.getBigUint64(16 + 40 * i, true))).toEqual([0x100n, 0x104n]);
    native.eventfdSignal(fds[1] as number);
    await until('it is raised', () => raised(b, 1));
    closeAll(fds);
  });

  it('delivers what came before the driver had its eventfds', async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    await setWord(a, 0x104, 0);
    await b.setVectors(0, 2);
    expect(raised(b, 1)).toBe(true);
  });

  it.each(['leaves', 'resets its function'])(
    'writes RESET and interrupts the peer when a driver %s',
    async (what) => {
      stage.make(createSymmetricDevice);
      const [a, b] = await stage.drivers();
      const { view } = await stage.map(b, 2);
      view.setUint32(STATE, RUN, true);
      view.setUint32(HALF + STATE, RUN, true);
      await b.setVectors(0, 2);
      quiet(b);
      if (what === 'leaves') a.channel.close();
      else expect(await a.errorOf(VFIO_USER.DEVICE_RESET)).toBe(0);
      await until('the peer is interrupted', () => raised(b, 0));
      expect([view.getUint32(STATE, true), view.getUint32(HALF + STATE, true)]).toEqual([0, RUN]);
      if (what === 'leaves') await untilWord(b, 8, 0);
    },
  );

  it('keeps its memory for the driver that comes next', async () => {
    stage.make(createSymmetricDevice, { unidirectional: true });
    const [a, b] = await stage.drivers();
    const { view } = await stage.map(b, 4, false);
    a.channel.close();
    await untilWord(b, 8, 0);
    const again = await stage.driver(0);
    (await stage.map(again, 2)).view.setUint32(100, 5, true);
    expect(view.getUint32(100, true)).toBe(5);
  });
});

describe('a hostile driver', () => {
  it('ends its own session only', async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    a.channel.send(new Uint8Array(64).fill(0xff));
    await until('it is dropped', () => a.channel.closedBecause !== null);
    await untilWord(b, 8, 0);
    expect(
      stage.lines.some((line) => line.startsWith(`${stage.paths[0]}: driver disconnected: message`)),
    ).toBe(true);
  });

  it('may flood the peer with interrupts, and the peer is still served', async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    await b.setVectors(0, 2);
    for (let i = 0; i < 200; i++) a.postTrigger(0);
    for (let i = 0; i < 200; i++) void setWord(a, 0x104, i).catch(() => {});
    expect(await word(b, 0)).toBe(1);
    await until('it is raised', () => raised(b, 1));
  });

  it('is refused a vector that is a doorbell of its peer', async () => {
    stage.make(createSymmetricDevice);
    const [a, b] = await stage.drivers();
    const { fds } = await a.request(VFIO_USER.DEVICE_GET_REGION_IO_FDS, u32s(1024, 0, 0, 0));
    expect(await b.errorOf(VFIO_USER.DEVICE_SET_IRQS, u32s(20, 0x24, 2, 0, 1), [fds[0] as number])).toBe(
      EINVAL,
    );
    closeAll(fds);
  });

  it('that does not read its replies is dropped', async () => {
    stage.make(createSymmetricDevice);
    const b = await stage.driver(1);
    const fd = native.unixConnect(stage.paths[0]);
    const json = new TextEncoder().encode('{}\0');
    sendRaw(fd, vfioUserMessage(VFIO_USER.VERSION, join(u32s(0), json)));
    for (let i = 0; i < 64; i++) sendRaw(fd, vfioUserMessage(VFIO_USER.REGION_READ, u32s(0, 0, 2, HALF)));
    await until('it is dropped', () =>
      stage.lines.some((line) => line.includes('does not read its replies')),
    );
    native.close(fd);
    expect(await word(b, 0)).toBe(1);
  });
});

describe('its options', () => {
  it.each([
    [{ size: 3 << 20 }, /a shared memory of 3145728 bytes: choose a power of two, 128K to 1G/],
    [{ size: 65_536 }, /choose a power of two, 128K to 1G/],
    [{ size: 2 ** 31 }, /choose a power of two, 128K to 1G/],
    [{ queuePairs: 0 }, /0 queue pairs: choose 1 to 128/],
  ])('are checked: %j', (options, expected) => {
    stage.make(createSymmetricDevice);
    const [vfioUser] = [stage.paths.map((path) => `${path}2`) as [string, string]];
    expect(() => createSymmetricDevice({ vfioUser, ...options })).toThrow(expected);
  });

  it('a socket that cannot be made leaves nothing behind', () => {
    stage.make(createSymmetricDevice);
    const vfioUser: [string, string] = [`${stage.folder}/c`, `${stage.folder}/no/such`];
    expect(() => createSymmetricDevice({ vfioUser })).toThrow(/no\/such/);
  });
});
