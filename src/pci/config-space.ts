// SPDX-License-Identifier: BSD-3-Clause
// Configuration space of a type 0 function: identity, command register, capability list. The device is not
// trusted: the walk of the list is bounded.
import {
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_CONFIG,
  PCI_CONFIG_SPACE_BYTES,
  PCI_STATUS_CAP_LIST,
} from '../abi/pci.ts';
import { PmdError } from '../errors.ts';
import { type Registers, readRegister, writeRegister } from './registers.ts';

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** Base class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  readonly revision: number;
}

/** A capability's id and its offset in configuration space. */
export interface Capability {
  readonly id: number;
  readonly offset: number;
}

const { fields } = PCI_CONFIG;
/** Capabilities follow the header, each at a multiple of 4 (PCI 3.0, 6.7). */
const FIRST_CAPABILITY = PCI_CONFIG.size;
const MAX_CAPABILITIES = (PCI_CONFIG_SPACE_BYTES - FIRST_CAPABILITY) / 4;

export function readIdentity(config: Registers): PciIdentity {
  return {
    vendor: readRegister(config, fields.vendor_id),
    device: readRegister(config, fields.device_id),
    subsystemVendor: readRegister(config, fields.subsystem_vendor_id),
    subsystem: readRegister(config, fields.subsystem_id),
    classCode:
      (readRegister(config, fields.base_class) << 16) |
      (readRegister(config, fields.subclass) << 8) |
      readRegister(config, fields.prog_if),
    revision: readRegister(config, fields.revision_id),
  };
}

/** "1af4:1014 class 020000": the name of a function in messages. */
export function describeIdentity(identity: PciIdentity): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return `${hex(identity.vendor, 4)}:${hex(identity.device, 4)} class ${hex(identity.classCode, 6)}`;
}

/** Enables the function's memory space and bus mastering (PCI 3.0, 6.2.2). */
export function enableBusMaster(config: Registers): void {
  const command = readRegister(config, fields.command);
  writeRegister(config, fields.command, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/**
 * The capabilities in list order; throws VPCI_BAD_CAPABILITY if the list has a loop or points into the
 * header.
 */
export function listCapabilities(config: Registers): Capability[] {
  if ((readRegister(config, fields.status) & PCI_STATUS_CAP_LIST) === 0) return [];
  const found: Capability[] = [];
  // The two low bits of a pointer are reserved and must be masked (PCI 3.0, 6.7).
  let offset = readRegister(config, fields.capabilities_pointer) & 0xfc;
  while (offset !== 0) {
    if (offset < FIRST_CAPABILITY) {
      throw new PmdError(
        'VPCI_BAD_CAPABILITY',
        `The capability list points into the header (0x${offset.toString(16)})`,
      );
    }
    if (found.length === MAX_CAPABILITIES)
      throw new PmdError('VPCI_BAD_CAPABILITY', 'The capability list has a loop');
    const head = config.read16(offset);
    found.push({ id: head & 0xff, offset });
    offset = (head >>> 8) & 0xfc;
  }
  return found;
}
