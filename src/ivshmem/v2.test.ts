// SPDX-License-Identifier: BSD-3-Clause
import { ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../native.ts';
import { becomeV2, FakeFunction, type FakeV2Options } from './fake-function.test-help.ts';
import { IvshmemV2Carrier } from './v2.ts';

const SIZE = 0x10_0000;
const SECTION = 0x7f000;
const [ID, MAX_PEERS, INTERRUPTS, DOORBELL, STATE] = [0x0, 0x4, 0x8, 0xc, 0x10];

describe('an ivshmem v2 function', () => {
  let folder: string;
  let fd: number;
  let memory: { fd: number; size: number };
  const opened: IvshmemV2Carrier[] = [];

  const function2 = (options: FakeV2Options = {}, bar: typeof memory | null = memory) => {
    const fake = new FakeFunction({ memory: bar, vectors: 2 });
    fake.values.set(ID, 1).set(MAX_PEERS, 2);
    becomeV2(fake, options);
    return fake;
  };
  const open = (fake: FakeFunction, ...rest: [{ path: string; offset: number }?]) => {
    const carrier = new IvshmemV2Carrier(fake, ...rest);
    opened.push(carrier);
    return carrier;
  };

  beforeEach(() => {
    folder = mkdtempSync('/dev/shm/vpci-v2-');
    fd = openSync(join(folder, 'memory'), 'w+');
    ftruncateSync(fd, SIZE);
    memory = { fd, size: SIZE };
  });
  afterEach(() => {
    for (const carrier of opened.splice(0)) carrier.close();
    native.close(fd);
    rmSync(folder, { recursive: true });
  });

  it('has state table and sections where its capability says', () => {
    const fake = function2({ readWrite: 0x1000n });
    const carrier = open(fake);
    const whole = new Uint8Array(native.mappingBuffer(native.mapFd(fd, 0, SIZE, true)));
    new Uint8Array(native.mappingBuffer(carrier.own.mapping))[5] = 0x55;
    expect(whole[0x2000 + SECTION + 5]).toBe(0x55);
    whole[0x2000 + 7] = 0x77;
    expect(new Uint8Array(native.mappingBuffer(carrier.peer.mapping))[7]).toBe(0x77);
    expect([carrier.own.size, carrier.peer.size, carrier.peer.writable]).toEqual([SECTION, SECTION, false]);
    whole[0] = 3;
    expect(carrier.readState()).toBe(3);
    expect([carrier.doorbellId, carrier.vectors, carrier.states]).toEqual([1, 2, 'table']);
  });

  it('begins as ivshmem-net does: no one-shot interrupts, RESET, then interrupts', () => {
    const fake = function2();
    const carrier = open(fake);
    expect(fake.configView.getUint8(0x43)).toBe(0);
    carrier.onState(() => {});
    carrier.interruptFd(1);
    carrier.enableInterrupts();
    carrier.writeState(1);
    expect(fake.writes).toEqual([
      [STATE, 0],
      [INTERRUPTS, 1],
      [STATE, 1],
    ]);
    expect([fake.armed, carrier.interruptFd(2)]).toEqual([1, -1]);
    carrier.close();
    expect(fake.writes.at(-1)).toEqual([INTERRUPTS, 0]);
    expect(fake.closed).toBe(true);
  });

  it('raises vectors of the other side through the doorbell', () => {
    const fake = function2();
    const carrier = open(fake);
    expect(carrier.doorbell(1)).toBeGreaterThan(0);
    expect([...fake.fds.keys()]).toEqual([`BAR 0: 1 to ${DOORBELL}, 4 bytes`]);
    expect(carrier.doorbell(2)).toBe(-1);
  });

  it('without BAR 2 is mapped at its address, or where the user says', () => {
    const fake = function2({ length: 32, base: 0x1_0000_0000n }, null);
    const path = join(folder, 'memory');
    const carrier = open(fake, { path, offset: 0 });
    expect(new Map(carrier.details()).get('Memory')).toBe(`${path}@0`);
    expect(native.mappingState(carrier.own.mapping).loss).toBe('none');
  });

  it.each([
    [/its protocol is 16384, not 1, a network/, { protocol: 0x4000 }],
    [/no vendor capability/, { length: 0 }],
    [/sections of 0, 0 and 520192 bytes/, { table: 0 }],
    [/sections of 100, 0 and 520192 bytes/, { table: 100 }],
    [/sections of 4096, 0 and 0 bytes/, { section: 0n }],
    [/sections of 4096, 0 and 520193 bytes/, { section: 0x7f001n }],
    [/1052672 bytes of sections in a BAR of 1048576/, { section: 0x8_0000n }],
    [/bytes/, { readWrite: 0xffff_ffff_ffff_f000n }],
    [/bytes/, { section: 1n << 63n }],
  ] as [RegExp, FakeV2Options][])('is refused, and closed: %s', (expected, options) => {
    const fake = function2(options);
    expect(() => open(fake)).toThrow(expected);
    expect(() => open(fake)).toThrow(/^Failed to open 0000:00:05.0: [^\n]+$/);
    expect(fake.closed).toBe(true);
  });

  it.each([
    [ID, 2, /it is peer 2 of 2, and a network has two/],
    [MAX_PEERS, 3, /it is peer 1 of 3/],
    [MAX_PEERS, 0xffff_ffff, /of 4294967295/],
  ])('is refused with %i in register %i', (register, value, expected) => {
    const fake = function2();
    fake.values.set(register, value);
    expect(() => open(fake)).toThrow(expected);
  });

  it('is refused with neither BAR 2 nor an address', () => {
    expect(() => open(function2({}, null))).toThrow(/neither a BAR with its memory nor an address of it/);
  });
});
