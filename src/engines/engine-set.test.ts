// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, describe, expect, it } from 'vitest';
import { native, type QueueHandle } from '../native.ts';
import { EngineSet } from './engine-set.ts';

describe('engine set', () => {
  const held: QueueHandle[] = [];

  afterEach(() => {
    for (const queue of held.splice(0)) native.queueDestroy(queue);
  });

  const takeAll = (): number => {
    const before = held.length;
    try {
      for (;;) held.push(native.queueCreate('rx'));
    } catch {
      return held.length - before;
    }
  };

  it('regression: give back what they took when there are not enough queues', () => {
    takeAll();
    for (const queue of held.splice(-3)) native.queueDestroy(queue);
    const options = {
      queuePairs: 2,
      notifyFd: () => -1,
      driverArea: () => null,
      wake: () => {},
      report: () => {},
    };
    expect(() => new EngineSet(options)).toThrow(/ENOSPC/);
    expect(takeAll()).toBe(3);
  });
});
