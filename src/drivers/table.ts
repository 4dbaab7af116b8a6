// SPDX-License-Identifier: BSD-3-Clause
// The port drivers of this package. Threads that open a queue also look up its driver here.
import { PmdError } from '../errors.ts';
import type { PortDriver, QueueSpec, RxQueue, TxQueue } from '../ethdev/port.ts';
import { parsePciAddress } from '../pci/address.ts';
import { readPciDevice } from '../pci/sysfs.ts';
import { ivshmemDriver } from './ivshmem/driver.ts';
import { nullDriver } from './null/port.ts';
import { pcapDriver } from './pcap/port.ts';
import { tapDriver } from './tap/port.ts';
import { vhostPciDriver } from './vhost-pci/driver.ts';

export const drivers: readonly PortDriver[] = [
  vhostPciDriver,
  ivshmemDriver,
  nullDriver,
  tapDriver,
  pcapDriver,
];

/**
 * The driver for a device name such as "net_null0", which is the driver's name plus an id. For a PCI address,
 * the one that knows the function's ids; else the first that drives any function, whose error says more.
 */
export function driverOfDevice(device: string, among: readonly PortDriver[] = drivers): PortDriver {
  const address = parsePciAddress(device);
  if (address !== null) {
    const found = readPciDevice(address);
    const drives = (ids: PortDriver['pci']) =>
      ids?.some((id) => id.vendor === found?.vendor && id.device === found.device);
    const driver = among.find(({ pci }) => drives(pci)) ?? among.find(({ pci }) => pci);
    if (driver) return driver;
  }
  const prefix = device.replace(/\d+$/, '');
  return driverNamed(prefix, `device '${device}'`, among);
}

/** Opens a port's receive queue in the calling thread. */
export function openRxQueue(spec: QueueSpec): RxQueue {
  return driverNamed(spec.driver, `RX queue ${spec.queue} of port ${spec.port}`).openRxQueue(spec);
}

/** Opens a port's transmit queue in the calling thread. */
export function openTxQueue(spec: QueueSpec): TxQueue {
  return driverNamed(spec.driver, `TX queue ${spec.queue} of port ${spec.port}`).openTxQueue(spec);
}

/** Releases what an ending thread held in place in the queue. */
export function abandonQueue(spec: QueueSpec): void {
  driverNamed(spec.driver, `queue ${spec.queue} of port ${spec.port}`).abandonQueue?.(spec);
}

function driverNamed(name: string, what: string, among: readonly PortDriver[] = drivers): PortDriver {
  const driver = among.find((candidate) => candidate.name === name);
  if (driver) return driver;
  const known = among.map((candidate) => candidate.name).join(', ');
  throw new PmdError('VPCI_NO_DRIVER', `Failed to open ${what}: no driver '${name}'; available: ${known}`);
}
