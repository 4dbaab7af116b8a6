// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../native.ts';
import { DoorbellCarrier } from './doorbell.ts';
import { FakeFunction } from './fake-function.test-help.ts';
import type { MemoryPair } from './pair.ts';

const SIZE = 0x10000;
const [IV_POSITION, DOORBELL] = [8, 12];

describe('an ivshmem-doorbell function beside two sides', () => {
  let fd: number;
  let fake: FakeFunction;
  let carrier: DoorbellCarrier;
  let released: number;

  const pair = (): MemoryPair => {
    const side = { mapping: native.mapFd(fd, 0, SIZE, true), offset: 0, size: SIZE, writable: true };
    const close = () => {
      released++;
      native.unmap(side.mapping);
    };
    return { name: 'a and b', own: side, peer: side, functions: [], close };
  };
  const make = (options: { vectors: number; interrupts?: 'polled' }) => {
    fake = new FakeFunction({ memory: null, ...options });
    fake.values.set(IV_POSITION, 5);
    carrier = new DoorbellCarrier(pair(), fake);
  };

  beforeEach(() => {
    released = 0;
    fd = native.memfdCreate('doorbell', SIZE, false);
    make({ vectors: 3 });
  });
  afterEach(() => {
    carrier.close();
    native.close(fd);
  });

  it('has its id, vectors and interrupts', () => {
    expect([carrier.doorbellId, carrier.vectors]).toEqual([5, 3]);
    const seen: string[] = [];
    carrier.onState(() => seen.push('state'));
    const sleeping = carrier.interruptFd(2);
    expect([carrier.interruptFd(2), carrier.interruptFd(3)]).toEqual([sleeping, -1]);
    carrier.enableInterrupts();
    fake.handlers.get(0)?.();
    expect([seen, fake.armed]).toEqual([['state'], 1]);
  });

  it('raises the vector of the peer that it knows, in one write of 32 bits', async () => {
    expect(carrier.doorbell(0)).toBe(-1);
    carrier.setPeer(6, 2);
    const bell = carrier.doorbell(1);
    expect([carrier.doorbell(1), carrier.doorbell(2)]).toEqual([bell, -1]);
    native.eventfdSignal(bell);
    await expect.poll(() => fake.writes).toEqual([[DOORBELL, 0x6_0001]]);
    // A peer that comes back has another id, and the queues keep their descriptors.
    carrier.setPeer(0xffff, 2);
    expect(carrier.doorbell(1)).toBe(bell);
    native.eventfdSignal(bell);
    await expect.poll(() => fake.writes.at(-1)).toEqual([DOORBELL, 0xffff_0001]);
  });

  it('raises nobody for an id that is none', async () => {
    carrier.setPeer(6, 2);
    const bell = carrier.doorbell(0);
    for (const [id, vectors] of [
      [-1, 2],
      [0x1_0000, 2],
      [0xffff_fffe, 2],
      [6, 0],
    ] as const) {
      carrier.setPeer(id, vectors);
      expect(carrier.doorbell(0)).toBe(-1);
      native.eventfdSignal(bell);
      await expect.poll(() => native.eventfdDrain(bell)).toBe(0n);
    }
    expect(fake.writes).toEqual([]);
  });

  it('opens no more descriptors, whatever ids a peer names', () => {
    for (let id = 0; id < 1000; id++) {
      carrier.setPeer(id, 0xffff_ffff);
      carrier.doorbell(0);
    }
    expect(fake.fds.size).toBe(0);
  });

  it('delivers the last state when it is closed, and releases everything once', () => {
    carrier.setPeer(6, 1);
    native.eventfdSignal(carrier.doorbell(0));
    carrier.close();
    carrier.close();
    expect([fake.writes, fake.closed, released]).toEqual([[[DOORBELL, 0x6_0000]], true, 1]);
  });

  it('closes when the function has gone', () => {
    const reasons: string[] = [];
    carrier.onRemoved((reason) => reasons.push(reason));
    carrier.setPeer(6, 1);
    native.eventfdSignal(carrier.doorbell(0));
    fake.gone = true;
    fake.remove('unplugged');
    carrier.close();
    expect([reasons, fake.closed]).toEqual([['unplugged'], true]);
  });

  it('polls on a bus without interrupts', () => {
    carrier.close();
    make({ vectors: 3, interrupts: 'polled' });
    carrier.onState(() => {});
    carrier.enableInterrupts();
    expect([carrier.vectors, carrier.interruptFd(0), fake.armed, fake.handlers.size]).toEqual([0, -1, 0, 0]);
  });
});
