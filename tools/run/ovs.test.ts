// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { processingCycles, requireOvs } from './ovs.ts';

describe('Open vSwitch', () => {
  it('is missed by the name of its package', () => {
    expect(() => requireOvs(['/nowhere/ovs-vswitchd'])).toThrow(
      /apt-get install --no-install-recommends openvswitch-switch-dpdk/,
    );
  });

  it("tells its poll thread's cycles for a packet, empty polls not counted", () => {
    const output = `pmd thread numa_id 0 core_id 0:
  packets received: 8401472
  avg cycles per packet: 271.36 (2279819880/8401472)
  avg processing cycles per packet: 269.14 (2261179982/8401472)
main thread:
  packets received: 0`;
    expect(processingCycles(output)).toBe(269.14);
    expect(processingCycles('main thread:\n  packets received: 0')).toBeUndefined();
  });
});
