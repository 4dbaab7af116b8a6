// SPDX-License-Identifier: BSD-3-Clause
// Binds and unbinds devices individually: a failure of one does not stop the others.
import { PmdError } from '../../src/errors.ts';
import { bindDriver, unbindDriver } from '../../src/pci/binding.ts';
import { findDevice, type Inventory, type Listed } from './inventory.ts';
import type { Places } from './places.ts';
import { isUserspaceDriver } from './status.ts';
import { type Owner, ownGroup, requireIommu } from './vfio-setup.ts';

export interface ActionOptions {
  /** Acts on devices even if they carry this machine's network or file systems. */
  readonly force: boolean;
  readonly noIommuMode: boolean;
  readonly owner: Owner;
}

/** Prints one line to stderr. */
export type Report = (line: string) => void;

/** Refusals that --force overrides. */
const CARRIES: readonly string[] = ['VPCI_CARRIES_NETWORK', 'VPCI_CARRIES_STORAGE'];

/** `-u dpdk` stands for all devices bound to a userspace driver. */
const ALL_IN_USERSPACE = 'dpdk';

/** Returns the number of devices refused. Throws ENODEV for an unknown device before doing anything. */
export function unbindAll(
  inventory: Inventory,
  names: readonly string[],
  options: ActionOptions,
  places: Places,
  report: Report,
): number {
  const devices =
    names[0] === ALL_IN_USERSPACE
      ? inventory.devices.filter(({ pci }) => pci.driver !== null && isUserspaceDriver(pci.driver))
      : names.map((name) => findDevice(inventory, name));
  return each(devices, report, (device) => {
    const { address, driver, interfaces } = device.pci;
    if (driver === null) {
      const name = device.label.replace(/ [0-9a-f]{4}$/, '');
      report(`Notice: ${address} ${name} ${interfaces.join(',')} is not currently managed by any driver`);
      return;
    }
    protect(device, options.force, 'Skipping unbind');
    unbindDriver(address, places);
  });
}

/** Returns the number of devices refused. Throws for an unknown driver or device before doing anything. */
export function bindAll(
  inventory: Inventory,
  driver: string,
  names: readonly string[],
  options: ActionOptions,
  places: Places,
  report: Report,
): number {
  refuseDeviceAsDriver(inventory, driver);
  // Check devices before the driver: an unknown device is the error to report first.
  const devices = names.map((name) => findDevice(inventory, name));
  requireDriver(inventory, driver);
  if (driver === 'vfio-pci') {
    const warning = requireIommu(places, options.noIommuMode);
    if (warning !== null) report(warning);
  }
  return each(devices, report, (device) => {
    const { address } = device.pci;
    protect(device, options.force, 'Not modifying');
    if (device.pci.driver === driver)
      report(`Notice: ${address} already bound to driver ${driver}, skipping`);
    else bindDriver(address, driver, places);
    const { uid, gid } = options.owner;
    if (driver === 'vfio-pci' && (uid !== -1 || gid !== -1)) ownGroup(address, options.owner, places);
  });
}

function each(devices: readonly Listed[], report: Report, act: (device: Listed) => void): number {
  let refused = 0;
  for (const device of devices) {
    try {
      act(device);
    } catch (error) {
      if (!(error instanceof PmdError)) throw error;
      refused++;
      report(CARRIES.includes(error.code) ? `Warning: ${error.message}` : `Error: ${error.message}`);
    }
  }
  return refused;
}

function protect(device: Listed, force: boolean, consequence: string): void {
  if (force) return;
  const { inUse, stores, pci } = device;
  if (stores !== null)
    throw new PmdError('VPCI_CARRIES_STORAGE', `device ${pci.address} ${stores}. ${consequence}`);
  if (inUse === null) return;
  throw new PmdError('VPCI_CARRIES_NETWORK', `${inUse}. ${consequence}`);
}

function refuseDeviceAsDriver(inventory: Inventory, driver: string): void {
  if (!isDeviceName(inventory, driver)) return;
  throw new PmdError(
    'EINVAL',
    `Driver '${driver}' does not look like a valid driver. Did you forget to specify the driver to bind devices to?`,
  );
}

function requireDriver(inventory: Inventory, driver: string): void {
  if (inventory.modules.has(driver)) return;
  const hint = isUserspaceDriver(driver) ? `; load it: modprobe ${driver}` : '';
  throw new PmdError('ENOENT', `Driver '${driver}' is not loaded${hint}.`);
}

function isDeviceName(inventory: Inventory, name: string): boolean {
  try {
    findDevice(inventory, name);
    return true;
  } catch {
    return false;
  }
}
