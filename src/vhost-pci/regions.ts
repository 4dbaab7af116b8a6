// SPDX-License-Identifier: BSD-3-Clause
// The region capabilities of a function: where its memory lies, whose it is, and what we may do with it
// (docs/device-abi.md, "Region capability"). The device is not trusted.
import { PCI_CAP_ID_VNDR, PCI_CONFIG_SPACE_BYTES } from '../abi/pci.ts';
import {
  VHOST_PCI_CAP_REGION_CFG,
  VHOST_PCI_REGION_CAP,
  VHOST_PCI_REGION_GPA,
  VHOST_PCI_REGION_OWN_SIDE,
  VHOST_PCI_REGION_PEER_MEMORY,
  VHOST_PCI_REGION_PEER_SIDE,
  VHOST_PCI_REGION_WRITE,
} from '../abi/section.ts';
import { PmdError } from '../errors.ts';
import { listCapabilities } from '../pci/config-space.ts';
import { type Registers, readRegister } from '../pci/registers.ts';

export type RegionKind = 'peer memory' | 'own side' | "peer's side";

export interface FunctionRegion {
  readonly kind: RegionKind;
  /** Null for a guest-physical address. */
  readonly bar: number | null;
  /** Byte offset in the BAR, or the address. */
  readonly address: number;
  /** Bytes; 0 while there is no memory. */
  readonly size: number;
  /** Whether we may write it. */
  readonly writable: boolean;
}

const KINDS: ReadonlyMap<number, RegionKind> = new Map([
  [VHOST_PCI_REGION_PEER_MEMORY, 'peer memory'],
  [VHOST_PCI_REGION_OWN_SIDE, 'own side'],
  [VHOST_PCI_REGION_PEER_SIDE, "peer's side"],
]);
const BARS = 6;
const { size: CAP_BYTES, fields } = VHOST_PCI_REGION_CAP;

/**
 * All regions of known kinds, in list order; none for a function without the capability. Throws
 * VPCI_BAD_CAPABILITY for one that is cut or names no place.
 */
export function readRegions(config: Registers): FunctionRegion[] {
  return listCapabilities(config)
    .filter(({ id }) => id === PCI_CAP_ID_VNDR)
    .filter(({ offset }) => offset + fields.cfg_type.offset < PCI_CONFIG_SPACE_BYTES)
    .filter(({ offset }) => readRegister(config, fields.cfg_type, offset) === VHOST_PCI_CAP_REGION_CFG)
    .map(({ offset }) => readRegion(config, offset))
    .filter((region) => region !== null);
}

function readRegion(config: Registers, at: number): FunctionRegion | null {
  const length = readRegister(config, fields.length, at);
  if (length < CAP_BYTES || at + CAP_BYTES > PCI_CONFIG_SPACE_BYTES)
    throw bad(`the region capability at 0x${at.toString(16)} is cut`);
  const kind = KINDS.get(readRegister(config, fields.kind, at));
  if (kind === undefined) return null;
  const bar = readRegister(config, fields.bar, at);
  if (bar >= BARS && bar !== VHOST_PCI_REGION_GPA) throw bad(`a region in BAR ${bar}`);
  const word = (offset: number) => {
    const value = config.read32(at + offset) + 2 ** 32 * config.read32(at + offset + 4);
    if (Number.isSafeInteger(value)) return value;
    throw bad(`a region with ${value} as its address or size`);
  };
  const address = word(fields.address.offset);
  const size = word(fields.size.offset);
  if (!Number.isSafeInteger(address + size)) throw bad(`a region of ${size} bytes at ${address}`);
  const permissions = readRegister(config, fields.permissions, at);
  const writable = (permissions & VHOST_PCI_REGION_WRITE) !== 0;
  return { kind, bar: bar === VHOST_PCI_REGION_GPA ? null : bar, address, size, writable };
}

function bad(what: string): PmdError {
  return new PmdError('VPCI_BAD_CAPABILITY', `The device reports ${what}`);
}
