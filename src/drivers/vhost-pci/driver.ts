// SPDX-License-Identifier: BSD-3-Clause
// The port driver net_vhost_pci: opens a bus from devargs, what kind of function is there (RFC 2.0's session
// with a peer, or the sections of RFC 2.1), and a port on it.
import { openPciAddress, VHOST_PCI_KIND } from '../../bus/open-pci.ts';
import type { PciDevice } from '../../bus/pci-device.ts';
import { openVfioUser } from '../../bus/vfio-user.ts';
import { vfioUserAnswers } from '../../bus/vfio-user-presence.ts';
import { type AlternateMapping, checkAlternate } from '../../engines/alternate-mapping.ts';
import type { DeviceEvents, EngineDevice } from '../../engines/device.ts';
import { DATA_PATH_FEATURES } from '../../engines/features.ts';
import { PmdError } from '../../errors.ts';
import { formatDevargs } from '../../ethdev/devargs.ts';
import type { PortDriver } from '../../ethdev/port.ts';
import { macBytes } from '../../packet/mac.ts';
import { SectionDevice } from '../../sections/device.ts';
import { VhostPciDevice } from '../../vhost-pci/device.ts';
import { isSymmetric, SymmetricCarrier } from '../../vhost-pci/symmetric.ts';
import type { FeatureSet } from '../../virtio/features.ts';
import { parseVhostPciDevargs, VHOST_PCI_DEVARGS } from './devargs.ts';
import { DRIVER, defaultMac, VhostPciPort, type VhostPciPortOptions } from './port.ts';
import { abandonVhostPciQueue, openVhostPciRxQueue, VhostPciTxQueue } from './queues.ts';

export interface VhostPciOptions extends VhostPciPortOptions {
  /** Alternate mapping of BAR 2's memory. */
  readonly alternateMapping?: AlternateMapping;
  /** Size of peer memory, in bytes, that is accepted whatever it costs this process. */
  readonly maxPeerMemory?: number;
  /** Features that a peer may negotiate; default: all that the engine supports. */
  readonly features?: FeatureSet;
  /** RFC 2.1: offer no extension. */
  readonly minimum?: boolean;
}

/**
 * Opens a port on the function returned by `open`, and takes ownership of the function. Throws the errors of
 * the session and the port.
 */
export function openVhostPciPort(open: () => PciDevice, options: VhostPciOptions): VhostPciPort {
  return new VhostPciPort((events) => openDevice(open(), events, options), options);
}

/** Takes ownership of the function, whichever kind it is. */
function openDevice(pci: PciDevice, events: DeviceEvents, options: VhostPciOptions): EngineDevice {
  const { alternateMapping, features, maxPeerMemory } = options;
  if (!checked(pci, () => isSymmetric(pci))) {
    checked(pci, () => refuse(pci, options, '2.0', options.minimum ? 'minimum' : null));
    return new VhostPciDevice(pci, events, alternateMapping, features, maxPeerMemory);
  }
  checked(pci, () => refuse(pci, options, '2.1', peerOption(options)));
  const carrier = new SymmetricCarrier(pci);
  const queuePairs = Math.min(options.queues ?? carrier.queuePairs, carrier.queuePairs);
  const mac = macBytes(options.mac ?? defaultMac(options.id));
  return new SectionDevice(carrier, events, { queuePairs, minimum: options.minimum ?? false, mac });
}

/** The given devarg that is about a peer of RFC 2.0, if there is one. */
function peerOption({ alternateMapping, features, maxPeerMemory }: VhostPciOptions): string | null {
  if (alternateMapping) return 'mem';
  if (maxPeerMemory !== undefined) return 'max-peer-memory';
  return features !== undefined && features !== DATA_PATH_FEATURES ? 'csum or tso' : null;
}

function refuse(pci: PciDevice, { name }: VhostPciOptions, rfc: string, option: string | null): void {
  if (option === null) return;
  throw new PmdError(
    'VPCI_DEVARGS',
    `Failed to probe ${name}: ${option} has no use here: ${pci.name} is a function of RFC ${rfc}`,
  );
}

/** Closes the function if the check throws. */
function checked<T>(pci: PciDevice, check: () => T): T {
  try {
    return check();
  } catch (error) {
    pci.close();
    throw error;
  }
}

/** See devargs.ts for its devargs. */
export const vhostPciDriver: PortDriver = {
  name: DRIVER,
  keys: VHOST_PCI_DEVARGS,
  pci: [VHOST_PCI_KIND],
  probe: (id, name, devargs) => {
    const { place, ...options } = parseVhostPciDevargs(name, devargs);
    if (options.alternateMapping) checkAlternate(options.alternateMapping);
    const text = formatDevargs(devargs);
    const open = () => {
      const pci = 'address' in place ? openPciAddress(place.address) : openVfioUser(place.path);
      return options.alternateMapping ? withAlternate(pci, options.alternateMapping) : pci;
    };
    return openVhostPciPort(open, { id, name, devargs: text, ...options });
  },
  isBack: async (name, devargs) => {
    const { place } = parseVhostPciDevargs(name, devargs);
    return 'path' in place && (await vfioUserAnswers(place.path));
  },
  openRxQueue: openVhostPciRxQueue,
  openTxQueue: (spec) => new VhostPciTxQueue(spec),
  abandonQueue: abandonVhostPciQueue,
};

/**
 * Checks the mapping again, since what the kernel permits may depend on a driver holding the function. Closes
 * the function on failure.
 */
function withAlternate(pci: PciDevice, alternate: AlternateMapping): PciDevice {
  checked(pci, () => checkAlternate(alternate));
  return pci;
}
