// SPDX-License-Identifier: BSD-3-Clause
// The region capability (docs/device-abi.md): where a part of the function's memory lies, and what a driver
// may do with it.
import { encode } from '../../../src/abi/layout.ts';
import { PCI_CAP_ID_VNDR } from '../../../src/abi/pci.ts';
import { VHOST_PCI_CAP_REGION_CFG, VHOST_PCI_REGION_CAP } from '../../../src/abi/section.ts';
import type { CapabilityImage } from './config-space.ts';

export interface Region {
  readonly bar: number;
  /** VHOST_PCI_REGION_*. */
  readonly kind: number;
  readonly permissions: number;
  /** Bytes from the BAR's start. */
  readonly offset: bigint;
  /** Bytes now; 0 while there is no memory. */
  size(): bigint;
}

export function regionCapability({ bar, kind, permissions, offset, size }: Region): CapabilityImage {
  const { size: length, fields } = VHOST_PCI_REGION_CAP;
  const fixed = { id: PCI_CAP_ID_VNDR, length, cfg_type: VHOST_PCI_CAP_REGION_CFG };
  return {
    bytes: encode(VHOST_PCI_REGION_CAP, { ...fixed, bar, kind, permissions, address: offset, size: size() }),
    refresh: (space, at) => space.setBigUint64(at + fields.size.offset, size(), true),
  };
}
