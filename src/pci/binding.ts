// SPDX-License-Identifier: BSD-3-Clause
// Binds PCI functions to drivers by driver_override, which names one driver for one function and so affects
// no other function (Documentation/ABI/testing/sysfs-bus-pci).
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failedTo, PmdError } from '../errors.ts';
import { readPciDevice, SYSFS } from './sysfs.ts';

/** Writes a sysfs file; tests replace it by a simulated kernel. */
export type SysfsWrite = (path: string, text: string) => void;

export interface BindingPlace {
  /** "/sys". */
  readonly sysfs: string;
  readonly write: SysfsWrite;
}

export const KERNEL_BINDING: BindingPlace = {
  sysfs: SYSFS,
  write: (path, text) => writeFileSync(path, text),
};

/** Unbinds the function from its driver, if it has one. */
export function unbindDriver(address: string, place: BindingPlace = KERNEL_BINDING): void {
  const driver = readPciDevice(address, place.sysfs)?.driver;
  if (!driver) return;
  try {
    place.write(join(place.sysfs, 'bus/pci/drivers', driver, 'unbind'), address);
  } catch (error) {
    throw failedTo(`unbind ${address} from ${driver}`, error);
  }
}

/**
 * Binds the function to a loaded driver. If the driver does not bind to it, restores the previous driver and
 * throws VPCI_NOT_BOUND or an errno.
 */
export function bindDriver(address: string, driver: string, place: BindingPlace = KERNEL_BINDING): void {
  const before = readPciDevice(address, place.sysfs)?.driver ?? null;
  if (!existsSync(join(place.sysfs, 'bus/pci/drivers', driver)))
    throw new PmdError('ENOENT', `Failed to bind ${address}: there is no PCI driver ${driver}`);
  unbindDriver(address, place);
  try {
    probeWith(address, driver, place);
  } catch (error) {
    if (before !== null) quietly(() => probeWith(address, before, place));
    throw error;
  }
}

function probeWith(address: string, driver: string, place: BindingPlace): void {
  const override = join(place.sysfs, 'bus/pci/devices', address, 'driver_override');
  let refusal: unknown = null;
  try {
    place.write(override, driver);
    place.write(join(place.sysfs, 'bus/pci/drivers_probe'), address);
  } catch (error) {
    refusal = error;
  }
  // The override applies once: afterwards any driver may bind to the function again. A newline clears it.
  quietly(() => place.write(override, '\n'));
  if (readPciDevice(address, place.sysfs)?.driver === driver) return;
  if (refusal !== null) throw failedTo(`bind ${address} to ${driver}`, refusal);
  throw new PmdError(
    'VPCI_NOT_BOUND',
    `Failed to bind ${address}: the driver ${driver} did not bind to it; see dmesg`,
  );
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // For rollback, or where the resulting state is checked afterwards.
  }
}
