// SPDX-License-Identifier: BSD-3-Clause
// The ports of this process: probing by device string, port ids (lowest free one, as in DPDK), unique device
// names.
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

/** The open ports, by id. */
export function ports(): Port[] {
  return [...open.values()].sort((a, b) => a.id - b.id);
}

/** The device string of a port, as accepted by probePort. */
export function deviceOf({ info }: Port): string {
  return info.devargs === '' ? info.name : `${info.name},${info.devargs}`;
}

/**
 * Whether isDeviceBack works for the device. It does not for PCI functions, whose arrival only the kernel
 * knows.
 */
export function canComeBack(device: string): boolean {
  const { name } = parseDevargs(device);
  return parsePciAddress(name) === null && driverOfDevice(name).isBack !== undefined;
}

/** Whether a device whose port was removed can be probed again. Does not block. */
export async function isDeviceBack(device: string): Promise<boolean> {
  const { name, values } = parseDevargs(device);
  return (await driverOfDevice(name).isBack?.(name, values)) ?? false;
}

/** The name of a device, as in `port.info.name`. */
export function deviceName(device: string): string {
  return parseDevargs(device).name;
}

/** The id that a port should get, and ids it must not get. Default: the lowest free id. */
export interface PortIds {
  /** 0 to 31; if it is taken, the lowest free one. */
  readonly id?: number;
  /** Ids to leave free. */
  readonly reserved?: ReadonlySet<number>;
}

/**
 * Probes a device such as "net_vhost_pci0,path=/run/vpci.sock" and returns a port that is neither configured
 * nor started. Throws VPCI_DEVARGS, VPCI_NO_DRIVER, VPCI_DUPLICATE, VPCI_TOO_MANY_PORTS or the driver's
 * error.
 */
export function probePort(device: string, ids: PortIds = {}): Port {
  requireDevice('probePort()', device);
  requireOptions('probePort()', 'ids', ids, ['id', 'reserved']);
  if (ids.id !== undefined) requireInteger('probePort()', 'id', ids.id, 0, MAX_PORTS - 1);
  const devargs = parseDevargs(device);
  const driver = driverOfDevice(devargs.name);
  checkKeys(device, devargs.values, driver.keys, driver.repeatable);
  if (ports().some((port) => port.info.name === devargs.name)) {
    throw new PmdError(
      'VPCI_DUPLICATE',
      `Failed to probe '${device}': device ${devargs.name} already exists`,
    );
  }
  const port = driver.probe(freeId(device, ids), devargs.name, devargs.values);
  open.set(port.id, port);
  forgetWhenClosed(port);
  return port;
}

/**
 * Probes, configures (default: one queue per direction) and starts a port. Throws the errors of probePort and
 * Port.configure. The port belongs to the calling thread.
 *
 * @example
 * const port = openPort('net_vhost_pci0,path=/run/vpci.sock', { rxQueues: 2, txQueues: 2 });
 */
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
    throw openFailure(device, port.info.name, error);
  }
  return port;
}

/** One failure, not two: the message may have named already what could not be opened, or its tap or file. */
function openFailure(device: string, name: string, error: unknown): PmdError {
  if (!(error instanceof PmdError)) return failedTo(`open '${device}'`, error);
  const { code, message } = error;
  if (message.startsWith('Failed to open ') || message.includes(` ${name}: `)) return error;
  const cause = message.replace(/^Failed to start port \d+: /, '');
  return new PmdError(code, `Failed to open '${device}': ${cause}`, { cause: error });
}

function requireDevice(call: string, device: unknown): void {
  requireString(call, 'device', device, "a string such as 'net_vhost_pci0,path=/run/vpci.sock'");
}

function freeId(device: string, { id: wanted, reserved }: PortIds): number {
  if (wanted !== undefined && !open.has(wanted)) return wanted;
  for (let id = 0; id < MAX_PORTS; id++) if (!open.has(id) && !reserved?.has(id)) return id;
  throw new PmdError(
    'VPCI_TOO_MANY_PORTS',
    `Failed to probe '${device}': ${MAX_PORTS} ports are open already`,
  );
}

/** Users call the port's own close(), so the registry hooks into it. */
function forgetWhenClosed(port: Port): void {
  const close = port.close.bind(port);
  port.close = () => {
    closeQueues(port);
    close();
    if (open.get(port.id) === port) open.delete(port.id);
  };
}
