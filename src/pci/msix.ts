// SPDX-License-Identifier: BSD-3-Clause
// The MSI-X capability, PCI 3.0 section 6.8.2.
import {
  MSIX_CAP,
  MSIX_CONTROL_SIZE_MASK,
  MSIX_TABLE_ENTRY_BYTES,
  PCI_CAP_ID_MSIX,
  PCI_CONFIG_SPACE_BYTES,
} from '../abi/pci.ts';
import { PmdError } from '../errors.ts';
import type { Capability } from './config-space.ts';
import { type Registers, readRegister } from './registers.ts';

export interface MsixInfo {
  readonly vectors: number;
  readonly tableBar: number;
  /** Bytes from the BAR's start. */
  readonly tableOffset: number;
}

/** Null if the function has no MSI-X. Throws VPCI_BAD_CAPABILITY if the table lies outside its BAR. */
export function readMsix(
  config: Registers,
  capabilities: readonly Capability[],
  barSize: (bar: number) => number,
): MsixInfo | null {
  const capability = capabilities.find(({ id }) => id === PCI_CAP_ID_MSIX);
  if (!capability) return null;
  if (capability.offset + MSIX_CAP.size > PCI_CONFIG_SPACE_BYTES) {
    throw new PmdError('VPCI_BAD_CAPABILITY', 'The MSI-X capability exceeds configuration space');
  }
  const control = readRegister(config, MSIX_CAP.fields.message_control, capability.offset);
  const table = readRegister(config, MSIX_CAP.fields.table, capability.offset);
  const info = {
    vectors: (control & MSIX_CONTROL_SIZE_MASK) + 1,
    tableBar: table & 7,
    tableOffset: (table & ~7) >>> 0,
  };
  if (info.tableOffset + info.vectors * MSIX_TABLE_ENTRY_BYTES > barSize(info.tableBar)) {
    throw new PmdError(
      'VPCI_BAD_CAPABILITY',
      `The MSI-X table of ${info.vectors} vectors lies outside BAR ${info.tableBar}`,
    );
  }
  return info;
}
