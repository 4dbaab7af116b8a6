// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { VERSION_1 } from './features.ts';
import { PciFunction } from './pci-function.ts';

let target: PciFunction;

beforeEach(() => {
  target = new PciFunction({
    queuePairs: 2,
    subsystemId: 21,
    memoryFiles: () => new Map(),
    dmaUnmapping: () => {},
    onFault: () => {},
    hooks: {
      offeredFeatures: () => VERSION_1,
      acceptFeatures: () => true,
      driverOk: () => {},
      queueEnabled: () => {},
      driverGone: () => {},
      notified: () => {},
    },
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  target.close();
});

it('regression: a function that runs out of descriptors does not keep half of its doorbells', () => {
  const before = openFds();
  const eventfd = native.eventfd.bind(native);
  vi.spyOn(native, 'eventfd')
    .mockImplementationOnce(eventfd)
    .mockImplementationOnce(eventfd)
    .mockImplementationOnce(() => {
      throw new Error('EMFILE: too many open files, eventfd');
    });
  expect(() => target.notifyEventfds()).toThrow('EMFILE');
  expect(openFds()).toBe(before);
  expect(target.notifyEventfds()).toHaveLength(5);
});
