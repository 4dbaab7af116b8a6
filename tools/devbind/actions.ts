// SPDX-License-Identifier: BSD-3-Clause
// Binding and unbinding, each device by itself: one that cannot be had does not stop the others.
import { PmdError } from '../../src/errors.ts';
import { bindDriver, unbindDriver } from '../../src/pci/binding.ts';
import { findDevice, type Inventory, type Listed } from './inventory.ts';
import type { Places } from './places.ts';
import { isUserspaceDriver } from './status.ts';
import { type Owner, ownGroup, requireIommu } from './vfio-setup.ts';

export interface ActionOptions {
  /** Takes a device although it carries this machine's network. */
  readonly force: boolean;
  readonly noIommuMode: boolean;
  readonly owner: Owner;
}

/** Takes one line for stderr. */
export type Tell = (line: string) => void;

/** Everything bound to a driver for userspace: what `-u dpdk` stands for. */
const ALL_IN_USERSPACE = 'dpdk';

/** Returns how many devices were refused. Throws ENODEV for a name that is no device, before anything is done. */
export function unbindAll(
  inventory: Inventory,
  names: readonly string[],
  options: ActionOptions,
  places: Places,
  tell: Tell,
): number {
  const devices =
    names[0] === ALL_IN_USERSPACE
      ? inventory.devices.filter(({ pci }) => pci.driver !== null && isUserspaceDriver(pci.driver))
      : names.map((name) => findDevice(inventory, name));
  return each(devices, tell, (device) => {
    const { address, driver, interfaces } = device.pci;
    if (driver === null) {
      const name = device.label.replace(/ [0-9a-f]{4}$/, '');
      tell(`Notice: ${address} ${name} ${interfaces.join(',')} is not currently managed by any driver`);
      return;
    }
    protect(device, options.force, 'Skipping unbind');
    unbindDriver(address, places);
  });
}

/** Returns how many devices were refused. Throws for a driver or a device that is none, before anything is done. */
export function bindAll(
  inventory: Inventory,
  driver: string,
  names: readonly string[],
  options: ActionOptions,
  places: Places,
  tell: Tell,
): number {
  refuseDeviceAsDriver(inventory, driver);
  // Whoever names a device that is not there need not hear of the driver.
  const devices = names.map((name) => findDevice(inventory, name));
  requireDriver(inventory, driver);
  if (driver === 'vfio-pci') {
    const warning = requireIommu(places, options.noIommuMode);
    if (warning !== null) tell(warning);
  }
  return each(devices, tell, (device) => {
    const { address } = device.pci;
    protect(device, options.force, 'Not modifying');
    if (device.pci.driver === driver) tell(`Notice: ${address} already bound to driver ${driver}, skipping`);
    else bindDriver(address, driver, places);
    const { uid, gid } = options.owner;
    if (driver === 'vfio-pci' && (uid !== -1 || gid !== -1)) ownGroup(address, options.owner, places);
  });
}

function each(devices: readonly Listed[], tell: Tell, act: (device: Listed) => void): number {
  let refused = 0;
  for (const device of devices) {
    try {
      act(device);
    } catch (error) {
      if (!(error instanceof PmdError)) throw error;
      refused++;
      tell(error.code === 'VPCI_CARRIES_NETWORK' ? `Warning: ${error.message}` : `Error: ${error.message}`);
    }
  }
  return refused;
}

function protect(device: Listed, force: boolean, consequence: string): void {
  if (force || device.inUse === null) return;
  throw new PmdError('VPCI_CARRIES_NETWORK', `${device.inUse}. ${consequence}`);
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
