// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { describeSurroundings, stolenShare } from './surroundings.ts';

describe('the surroundings', () => {
  it('tell the share of the CPUs that the hypervisor took', () => {
    const stats = ['cpu  10 0 10 70 0 0 0 10 0 0\ncpu0 1', 'cpu  60 0 10 100 0 0 0 30 0 0\ncpu0 1'];
    const stolen = stolenShare(() => stats.shift() ?? '');
    expect(stolen()).toBeCloseTo(0.2);
  });

  it('can be told everywhere', () => {
    expect(describeSurroundings()).toEqual({
      mhz: expect.any(Array),
      virtual: expect.any(Boolean),
      load: expect.any(Number),
      dpdkFlags: describeSurroundings().dpdkFlags,
    });
  });
});
