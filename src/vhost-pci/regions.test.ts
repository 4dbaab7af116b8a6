// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { memoryRegisters } from '../../test/support/config-space.ts';
import { encode } from '../abi/layout.ts';
import {
  VHOST_PCI_CAP_REGION_CFG,
  VHOST_PCI_REGION_CAP,
  VHOST_PCI_REGION_GPA,
  VHOST_PCI_REGION_OWN_SIDE,
} from '../abi/section.ts';
import { readRegions } from './regions.ts';

interface Fields {
  readonly at?: number;
  readonly id?: number;
  readonly next?: number;
  readonly length?: number;
  readonly cfg_type?: number;
  readonly bar?: number;
  readonly kind?: number;
  readonly permissions?: number;
  readonly address?: bigint;
  readonly size?: bigint;
}

/** Configuration space with these capabilities, the first at 40h. */
function space(...capabilities: readonly Fields[]) {
  const view = new DataView(new ArrayBuffer(256 + VHOST_PCI_REGION_CAP.size));
  view.setUint16(6, 0x10, true);
  view.setUint8(0x34, capabilities[0]?.at ?? 0x40);
  for (const [i, { at = 0x40 + 24 * i, ...given }] of capabilities.entries()) {
    const next = i + 1 < capabilities.length ? 0x40 + 24 * (i + 1) : 0;
    const fixed = { id: 9, next, length: 24, cfg_type: VHOST_PCI_CAP_REGION_CFG, bar: 2 };
    encode(VHOST_PCI_REGION_CAP, { ...fixed, permissions: 3, size: 4096n, ...given }, view, at);
  }
  return memoryRegisters(new DataView(view.buffer, 0, 256));
}

describe('region capabilities', () => {
  it('say where memory is, whose, and whether it may be written', () => {
    const own = { kind: VHOST_PCI_REGION_OWN_SIDE, bar: 2, address: 0x8_0000n, size: 0x8_0000n };
    const peer = { kind: 2, bar: 4, permissions: 1, size: 2n ** 33n };
    expect(readRegions(space(own, peer, { bar: VHOST_PCI_REGION_GPA, size: 0n }))).toEqual([
      { kind: 'own side', bar: 2, address: 0x8_0000, size: 0x8_0000, writable: true },
      { kind: "peer's side", bar: 4, address: 0, size: 2 ** 33, writable: false },
      { kind: 'peer memory', bar: null, address: 0, size: 0, writable: true },
    ]);
  });

  it('are those of their type and of known kinds', () => {
    expect(readRegions(space({ cfg_type: 5 }, { id: 5 }, { kind: 3 }, { kind: 255, bar: 77 }))).toEqual([]);
  });

  it.each([
    ['cut by its own length', { length: 23 }, /capability at 0x40 is cut/],
    ['cut by the end of the space', { at: 0xf0 }, /capability at 0xf0 is cut/],
    ['in a BAR that cannot exist', { bar: 6 }, /a region in BAR 6/],
    ['of a size that no number holds', { size: 2n ** 54n }, /as its address or size/],
    ['that wraps', { address: 2n ** 53n - 1n, size: 2n ** 53n - 1n }, /a region of \d+ bytes at \d+/],
  ])('are refused when one is %s', (_, fields, expected) => {
    expect(() => readRegions(space(fields))).toThrow(expected);
    expect(() => readRegions(space(fields))).toThrow(
      expect.objectContaining({ code: 'VPCI_BAD_CAPABILITY' }),
    );
  });

  it('that begin in the last bytes of the space are no capabilities of ours', () => {
    expect(readRegions(space({ at: 0xfc, id: 9, cfg_type: 1 }))).toEqual([]);
  });
});
