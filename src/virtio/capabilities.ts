// SPDX-License-Identifier: BSD-3-Clause
// Locates the structures of a virtio function by its vendor capabilities (VIRTIO 1.2, 4.1.4). A location is
// used only after the check that it lies inside a BAR.
import { PCI_CAP_ID_VNDR, PCI_CONFIG_SPACE_BYTES } from '../abi/pci.ts';
import {
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_NOTIFY_CAP,
} from '../abi/virtio-pci.ts';
import { PmdError } from '../errors.ts';
import type { Capability } from '../pci/config-space.ts';
import { type Registers, readRegister } from '../pci/registers.ts';

/** The location of a virtio structure. */
export interface VirtioStructure {
  readonly bar: number;
  /** Bytes from the BAR's start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface NotifyStructure extends VirtioStructure {
  /** Bytes from one notify offset to the next; 0 if all queues share one register. */
  readonly multiplier: number;
}

export interface VirtioStructures {
  readonly common: VirtioStructure;
  readonly notify: NotifyStructure;
  readonly isr: VirtioStructure;
  /** Null if the device has no configuration structure. */
  readonly device: VirtioStructure | null;
}

/** Higher BAR values are reserved, and the capability is ignored (VIRTIO 1.2, 4.1.4). */
const LAST_BAR = 5;

/**
 * Finds the structures; uses the first usable capability of each type (VIRTIO 1.2, 4.1.4.1). `barSize`
 * returns the bytes of a BAR, 0 for none. Throws VPCI_BAD_CAPABILITY naming the structure that is missing or
 * lies outside its BAR.
 */
export function findVirtioStructures(
  config: Registers,
  capabilities: readonly Capability[],
  barSize: (bar: number) => number,
): VirtioStructures {
  const found = new Map<number, VirtioStructure & { capability: number }>();
  for (const { id, offset } of capabilities) {
    if (id !== PCI_CAP_ID_VNDR || offset + VIRTIO_PCI_CAP.size > PCI_CONFIG_SPACE_BYTES) continue;
    if (readRegister(config, VIRTIO_PCI_CAP.fields.cap_len, offset) < VIRTIO_PCI_CAP.size) continue;
    const type = readRegister(config, VIRTIO_PCI_CAP.fields.cfg_type, offset);
    const structure = readStructure(config, offset);
    if (structure.bar <= LAST_BAR && !found.has(type)) found.set(type, { ...structure, capability: offset });
  }
  const structure = (type: number, name: string) => {
    const place = found.get(type);
    if (!place) throw new PmdError('VPCI_BAD_CAPABILITY', `The device has no virtio ${name} structure`);
    checkInBar(place, barSize(place.bar), name);
    return place;
  };
  const notify = structure(VIRTIO_PCI_CAP_NOTIFY_CFG, 'notification');
  return {
    common: structure(VIRTIO_PCI_CAP_COMMON_CFG, 'common'),
    notify: { ...notify, multiplier: readMultiplier(config, notify.capability) },
    isr: structure(VIRTIO_PCI_CAP_ISR_CFG, 'ISR'),
    device: found.has(VIRTIO_PCI_CAP_DEVICE_CFG) ? structure(VIRTIO_PCI_CAP_DEVICE_CFG, 'device') : null,
  };
}

function readStructure(config: Registers, capability: number): VirtioStructure {
  const { fields } = VIRTIO_PCI_CAP;
  return {
    bar: readRegister(config, fields.bar, capability),
    offset: readRegister(config, fields.offset, capability),
    length: readRegister(config, fields.length, capability),
  };
}

function readMultiplier(config: Registers, capability: number): number {
  const length = readRegister(config, VIRTIO_PCI_CAP.fields.cap_len, capability);
  if (
    length < VIRTIO_PCI_NOTIFY_CAP.size ||
    capability + VIRTIO_PCI_NOTIFY_CAP.size > PCI_CONFIG_SPACE_BYTES
  ) {
    throw new PmdError('VPCI_BAD_CAPABILITY', 'The virtio notification capability is too short');
  }
  return readRegister(config, VIRTIO_PCI_NOTIFY_CAP.fields.notify_off_multiplier, capability);
}

function checkInBar(place: VirtioStructure, barBytes: number, name: string): void {
  // Both are 32-bit values, so their sum is exact.
  if (place.length > 0 && place.offset + place.length <= barBytes) return;
  throw new PmdError(
    'VPCI_BAD_CAPABILITY',
    `The virtio ${name} structure (${place.length} bytes at 0x${place.offset.toString(16)}) lies outside BAR ${place.bar} (${barBytes} bytes)`,
  );
}
