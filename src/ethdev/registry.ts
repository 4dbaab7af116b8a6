// SPDX-License-Identifier: BSD-3-Clause
// The ports of this process: probing by device string, port ids (the lowest free one, as in DPDK), unique names.
import { failedTo, PmdError } from '../errors.ts';
import { checkKeys, parseDevargs } from './devargs.ts';
import { driverOfDevice } from './drivers.ts';
import type { Port, PortConfig } from './port.ts';

/** DPDK's RTE_MAX_ETHPORTS. */
export const MAX_PORTS = 32;

const open = new Map<number, Port>();

/** The ports that are open, by id. */
export function ports(): Port[] {
  return [...open.values()].sort((a, b) => a.id - b.id);
}

/**
 * Probes a device such as "net_vhost_pci0,path=/run/vpci.sock": a port that is neither configured nor started.
 * Throws VPCI_DEVARGS, VPCI_NO_DRIVER, VPCI_DUPLICATE, VPCI_TOO_MANY_PORTS, or what the driver says.
 */
export function probePort(device: string): Port {
  const devargs = parseDevargs(device);
  const driver = driverOfDevice(devargs.name);
  checkKeys(device, devargs.values, driver.keys);
  if (ports().some((port) => port.info.name === devargs.name)) {
    throw new PmdError(
      'VPCI_DUPLICATE',
      `Failed to probe '${device}': there is a device ${devargs.name} already`,
    );
  }
  const port = driver.probe(freeId(device), devargs.name, devargs.values);
  open.set(port.id, port);
  forgetWhenClosed(port);
  return port;
}

/** Probes, configures (one queue each way when left out) and starts a port. */
export function openPort(device: string, config: PortConfig = { rxQueues: 1, txQueues: 1 }): Port {
  const port = probePort(device);
  try {
    port.configure(config);
    port.start();
  } catch (error) {
    port.close();
    throw failedTo(`open '${device}'`, error);
  }
  return port;
}

function freeId(device: string): number {
  for (let id = 0; id < MAX_PORTS; id++) if (!open.has(id)) return id;
  throw new PmdError(
    'VPCI_TOO_MANY_PORTS',
    `Failed to probe '${device}': there are ${MAX_PORTS} ports already`,
  );
}

/** A port's own close() is the one that users call, so the registry hears of it there. */
function forgetWhenClosed(port: Port): void {
  const close = port.close.bind(port);
  port.close = () => {
    close();
    if (open.get(port.id) === port) open.delete(port.id);
  };
}
