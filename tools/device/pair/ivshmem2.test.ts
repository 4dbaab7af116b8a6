// SPDX-License-Identifier: BSD-3-Clause
// ivshmem v2's registers, state table and interrupts, as two vfio-user clients see them.
import { expect, it } from 'vitest';
import { IVSHMEM2_REGISTERS } from '../../../src/abi/ivshmem.ts';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { until } from '../../../test/support/wait.ts';
import { u32s } from '../test-help/channel.test-help.ts';
import type { TestDriver } from '../test-help/driver.test-help.ts';
import { pairStageForEachTest, setWord, word } from '../test-help/pair.test-help.ts';
import { createIvshmem2Device } from './ivshmem2.ts';

const CONFIG = 7;
/** The capability follows MSI-X. */
const CAP = 0x4c;
const [ID, MAX_PEERS, CONTROL, DOORBELL, STATE] = Object.values(IVSHMEM2_REGISTERS.fields).map(
  ({ offset }) => offset,
) as [number, number, number, number, number];
const stage = pairStageForEachTest();

const raised = ({ interrupts }: TestDriver) =>
  [0, 1].map((vector) => Number(native.eventfdDrain(interrupts[vector] as number)));

/** Two drivers with interrupts on. */
async function ready(): Promise<[TestDriver, TestDriver]> {
  stage.make(createIvshmem2Device);
  const drivers = await stage.drivers();
  for (const driver of drivers) {
    await driver.setVectors(0, 2);
    await setWord(driver, CONTROL, 1);
  }
  return drivers;
}

it('has these ids, and a capability with the sizes of its sections', async () => {
  stage.make(createIvshmem2Device);
  const [a, b] = await stage.drivers();
  expect([...(await b.read(CONFIG, 0, 12))]).toEqual([0x0a, 0x11, 6, 0x41, 0, 0, 0x10, 0, 0, 1, 0, 0xff]);
  expect([...(await a.read(CONFIG, CAP, 24))]).toEqual([
    ...[9, 0, 0x18, 0, 0, 0x10, 0, 0],
    ...[0, 0, 0, 0, 0, 0, 0, 0],
    ...[0, 0xf0, 7, 0, 0, 0, 0, 0],
  ]);
  expect([await word(a, ID), await word(b, ID), await word(b, MAX_PEERS)]).toEqual([0, 1, 2]);
  const [left, right] = [await stage.map(a, 2), await stage.map(b, 2)];
  left.view.setUint32(0x80000, 9, true);
  expect([left.bytes, right.view.getUint32(0x80000, true)]).toEqual([1 << 20, 9]);
});

it('keeps states in its table, and interrupts the peer when one changes', async () => {
  const [a, b] = await ready();
  const { view } = await stage.map(b, 2);
  await setWord(a, STATE, 2);
  await setWord(a, STATE, 2);
  expect([view.getUint32(0, true), await word(a, STATE), raised(b), raised(a)]).toEqual([
    2,
    2,
    [1, 0],
    [0, 0],
  ]);
  view.setUint32(0, 7, true);
  await setWord(a, STATE, 2);
  expect([view.getUint32(0, true), raised(b)]).toEqual([2, [0, 0]]);
  await setWord(b, STATE, 3);
  expect([view.getUint32(4, true), raised(a)]).toEqual([3, [1, 0]]);
});

it('rings vectors of either peer, and ignores what does not exist', async () => {
  const [a, b] = await ready();
  await setWord(a, DOORBELL, 0x1_0001);
  expect([raised(a), raised(b)]).toEqual([
    [0, 0],
    [0, 1],
  ]);
  await setWord(b, DOORBELL, 0x0_0000);
  await setWord(b, DOORBELL, 0x1_0000);
  expect([raised(a), raised(b)]).toEqual([
    [1, 0],
    [1, 0],
  ]);
  for (const value of [2, 0xffff, 0x2_0000, 0xffff_0000]) await setWord(a, DOORBELL, value);
  await a.write(0, DOORBELL, Uint8Array.of(1, 0));
  expect([raised(a), raised(b), await word(a, DOORBELL)]).toEqual([[0, 0], [0, 0], 0]);
});

it('interrupts only while that is enabled, once in one-shot mode', async () => {
  const [a, b] = await ready();
  await setWord(b, CONTROL, 0);
  await setWord(a, DOORBELL, 0x1_0001);
  expect(raised(b)).toEqual([0, 0]);
  await setWord(b, CONTROL, 0xffff_ffff);
  expect(await word(b, CONTROL)).toBe(1);
  await b.write(CONFIG, CAP, new Uint8Array(24).fill(0xff));
  expect([...(await b.read(CONFIG, CAP, 8))]).toEqual([9, 0, 0x18, 1, 0, 0x10, 0, 0]);
  await setWord(a, DOORBELL, 0x1_0001);
  await setWord(a, DOORBELL, 0x1_0001);
  expect([raised(b), await word(b, CONTROL)]).toEqual([[0, 1], 0]);
});

it.each(['leaves', 'resets its function'])('clears the state of a driver that %s', async (what) => {
  const [a, b] = await ready();
  const { view } = await stage.map(b, 2);
  await setWord(a, STATE, 3);
  raised(b);
  if (what === 'leaves') a.channel.close();
  else expect(await a.errorOf(VFIO_USER.DEVICE_RESET, u32s())).toBe(0);
  let interrupts = 0;
  await until('the peer is interrupted', () => {
    interrupts += raised(b)[0] ?? 0;
    return interrupts > 0;
  });
  expect([view.getUint32(0, true), interrupts]).toEqual([0, 1]);
});
