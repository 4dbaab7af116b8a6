// SPDX-License-Identifier: BSD-3-Clause
// The ports of this process: probing by device string, port ids (the lowest free one, as in DPDK), unique names.
import { requireInteger, requireOptions, requireString } from '../arguments.ts';
import { failedTo, PmdError } from '../errors.ts';
import { checkKeys, parseDevargs } from '../ethdev/devargs.ts';
import type { Port, PortConfig } from '../ethdev/port.ts';
import { checkPortConfig } from '../ethdev/port-arguments.ts';
import { closeQueues } from '../ethdev/queue-owners.ts';
import { parsePciAddress } from '../pci/address.ts';
import { driverOfDevice } from './table.ts';

/** DPDK's RTE_MAX_ETHPORTS. */
export const MAX_PORTS = 32;

const open = new Map<number, Port>();

/** The ports that are open, by id. */
export function ports(): Port[] {
  return [...open.values()].sort((a, b) => a.id - b.id);
}

/** The device string of a port: what probePort takes. */
export function deviceOf({ info }: Port): string {
  return info.devargs === '' ? info.name : `${info.name},${info.devargs}`;
}

/** Whether isDeviceBack can tell. It cannot of PCI functions, whose coming is the kernel's to tell. */
export function canComeBack(device: string): boolean {
  const { name } = parseDevargs(device);
  return parsePciAddress(name) === null && driverOfDevice(name).isBack !== undefined;
}

/** Whether a device whose port was removed can be probed again. Does not block. */
export async function isDeviceBack(device: string): Promise<boolean> {
  const { name, values } = parseDevargs(device);
  return (await driverOfDevice(name).isBack?.(name, values)) ?? false;
}

/** What a device is called in `port.info.name`. */
export function deviceName(device: string): string {
  return parseDevargs(device).name;
}

/** Which id a port is to get, and which it is not; the lowest that is free when left out. */
export interface PortIds {
  readonly id?: number;
  readonly reserved?: ReadonlySet<number>;
}

/**
 * Probes a device such as "net_vhost_pci0,path=/run/vpci.sock": a port that is neither configured nor started.
 * Throws VPCI_DEVARGS, VPCI_NO_DRIVER, VPCI_DUPLICATE, VPCI_TOO_MANY_PORTS, or what the driver says.
 */
export function probePort(device: string, ids: PortIds = {}): Port {
  requireDevice('probePort()', device);
  requireOptions('probePort()', 'ids', ids, ['id', 'reserved']);
  if (ids.id !== undefined) requireInteger('probePort()', 'id', ids.id, 0, MAX_PORTS - 1);
  const devargs = parseDevargs(device);
  const driver = driverOfDevice(devargs.name);
  checkKeys(device, devargs.values, driver.keys);
  if (ports().some((port) => port.info.name === devargs.name)) {
    throw new PmdError(
      'VPCI_DUPLICATE',
      `Failed to probe '${device}': there is a device ${devargs.name} already`,
    );
  }
  const port = driver.probe(freeId(device, ids), devargs.name, devargs.values);
  open.set(port.id, port);
  forgetWhenClosed(port);
  return port;
}

/** Probes, configures (one queue each way where left out) and starts a port. Throws what probePort and Port.configure throw. */
export function openPort(device: string, config: Partial<PortConfig> = {}): Port {
  requireDevice('openPort()', device);
  requireOptions('openPort()', 'config', config, ['rxQueues', 'txQueues']);
  const { rxQueues = 1, txQueues = 1 } = config;
  checkPortConfig('openPort()', { rxQueues, txQueues });
  const port = probePort(device);
  try {
    port.configure({ rxQueues, txQueues });
    port.start();
  } catch (error) {
    port.close();
    throw failedTo(`open '${device}'`, error);
  }
  return port;
}

function requireDevice(call: string, device: unknown): void {
  requireString(call, 'device', device, "a string such as 'net_vhost_pci0,path=/run/vpci.sock'");
}

function freeId(device: string, { id: wanted, reserved }: PortIds): number {
  if (wanted !== undefined && !open.has(wanted)) return wanted;
  for (let id = 0; id < MAX_PORTS; id++) if (!open.has(id) && !reserved?.has(id)) return id;
  throw new PmdError(
    'VPCI_TOO_MANY_PORTS',
    `Failed to probe '${device}': there are ${MAX_PORTS} ports already`,
  );
}

/** A port's own close() is the one that users call, so the registry hears of it there. */
function forgetWhenClosed(port: Port): void {
  const close = port.close.bind(port);
  port.close = () => {
    closeQueues(port);
    close();
    if (open.get(port.id) === port) open.delete(port.id);
  };
}
